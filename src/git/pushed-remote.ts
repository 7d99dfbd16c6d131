import { EscrowError } from '../core/errors.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'

/** What a client has pushed, in the place of a remote: it says once what its refs are, and gives its pack once. */
export class PushedRemote extends GitRemote {
  readonly #listing: RefListing
  readonly #leansOn: 'archive' | 'nothing'
  readonly #pack: () => AsyncIterable<Uint8Array>
  #given = false

  /**
   * @param push.listing - the refs as they are after the push.
   * @param push.leansOn - `nothing` when the client was shown no refs and so has sent everything.
   * @param push.pack - starts to read the pack.
   */
  constructor(push: {
    readonly listing: RefListing
    readonly leansOn: 'archive' | 'nothing'
    readonly pack: () => AsyncIterable<Uint8Array>
  }) {
    super()
    this.#listing = push.listing
    this.#leansOn = push.leansOn
    this.#pack = push.pack
  }

  listRefs(): Promise<RefListing> {
    return Promise.resolve(this.#listing)
  }

  /** @throws EscrowError `FULL_NEEDED` when everything is asked for and the client has sent only what is new, or a second time */
  fetchPack(request: FetchRequest): AsyncIterable<Uint8Array> {
    if (this.#given || (request.haves.length === 0 && this.#leansOn === 'archive')) throw fullNeeded()
    this.#given = true
    return this.#pack()
  }
}

function fullNeeded(): EscrowError {
  return new EscrowError('FULL_NEEDED', 'expected a push of everything, because the archive does not hold what this one rests on')
}
