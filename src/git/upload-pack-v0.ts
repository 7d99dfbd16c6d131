import { EscrowError } from '../core/errors.js'
import { refsMax } from '../core/limits.js'
import type { FetchRequest, ObjectFormat, RefListing, RemoteHead, RemoteRef } from './git-remote.js'
import { encodePacket, flushPacket, inRequestBlocks, type BandPiece, type PacketReader } from './pkt-line.js'
import { objectIdPattern, quote, readLine, textOf } from './protocol-line.js'
import { checkRefName } from './ref-name.js'
import type { Words } from './remote-words.js'
import { agent, capabilitiesMax, checkFetchRequest, objectFormatOf, packOf, toListing, type Capabilities } from './upload-pack-client.js'

/**
 * The client of `git upload-pack` in protocol versions 0 and 1 (gitprotocol-pack), for servers that know no version 2. The server speaks
 * first and lists every ref; version 1 is the same behind one more line. Everything it says is checked here.
 *
 * Two things it cannot say: what a symbolic ref other than HEAD points to, and the branch of an unborn HEAD.
 */

/** What a server of version 0 says at once. */
export interface Advertisement {
  readonly capabilities: Capabilities
  readonly listing: RefListing
}

/**
 * Read the advertisement of refs.
 *
 * @param first - its first line, already read; '' for a flush, by which old servers say that they are empty.
 * @throws EscrowError `REMOTE_SHALLOW`, `REMOTE_PROTOCOL`, `REMOTE_BROKEN`, `REMOTE_VERSION`, `REF_NAME_INVALID`, `REFS_TOO_MANY`
 */
export async function readAdvertisement(first: string, reader: PacketReader): Promise<Advertisement> {
  const nul = first.indexOf('\0')
  const { capabilities, symrefs } = parseFeatures(nul === -1 ? '' : first.slice(nul + 1))
  const refs = new AdvertisedRefs(objectFormatOf(capabilities), symrefs)
  let line: string | null = nul === -1 ? first : first.slice(0, nul)
  while (line !== '') {
    if (line === null) throw new EscrowError('REMOTE_BROKEN', 'the stream ended within the list of refs')
    refs.add(line)
    line = await readLine(reader)
  }
  return { capabilities, listing: refs.listing() }
}

/**
 * The request for a pack that is self-contained in its deltas: no `thin-pack`, every `have` and `done` at once.
 *
 * @param request - at least one want; the iterable may be read again.
 * @throws EscrowError `REMOTE_VERSION` if the server has no `side-band-64k`: the end of its pack could not be told from a cut.
 */
export function fetchRequestV0(capabilities: Capabilities, request: FetchRequest): Iterable<Uint8Array> {
  checkFetchRequest(capabilities, request)
  if (!capabilities.has('side-band-64k')) throw new EscrowError('REMOTE_VERSION', 'expected a remote with side-band-64k, got one without')
  const features = [
    'side-band-64k',
    ...(capabilities.has('ofs-delta') ? ['ofs-delta'] : []),
    ...(capabilities.has('object-format') ? [`object-format=${request.objectFormat}`] : []),
    ...(capabilities.has('agent') ? [agent] : []),
  ]
  function* packets(): Generator<Uint8Array> {
    let words = ` ${features.join(' ')}`
    for (const id of new Set(request.wants)) {
      yield encodePacket(`want ${id}${words}\n`)
      words = ''
    }
    yield flushPacket
    for (const id of new Set(request.haves)) yield encodePacket(`have ${id}\n`)
    yield encodePacket('done\n')
  }
  return inRequestBlocks({ [Symbol.iterator]: packets })
}

/**
 * Read the answer to `fetchRequestV0`: the pack's bytes, as views that are valid until the next one is asked for.
 *
 * @param words - takes what the remote says on the progress band.
 * @throws EscrowError while iterating: `REMOTE_SHALLOW`, `REMOTE_BROKEN` with the remote's words, `REMOTE_PROTOCOL`. A sequence that ends
 *   has ended with the remote's flush.
 */
export async function* readPackV0(reader: PacketReader, words: Words): AsyncGenerator<Uint8Array, void, undefined> {
  yield* packOf(bandsBehindAnswers(reader), words)
}

/** Without `multi_ack` one answer is usual; servers may give one for each `have`. The pack begins with the first side-band packet. */
async function* bandsBehindAnswers(reader: PacketReader): AsyncGenerator<BandPiece, void, undefined> {
  for (let count = 0; count <= refsMax; count += 1) {
    const packet = await reader.next()
    if (packet.kind === 'end') throw new EscrowError('REMOTE_BROKEN', 'the stream ended before the pack')
    if (packet.kind !== 'line') throw new EscrowError('REMOTE_PROTOCOL', `expected an answer to what we have, got ${packet.kind}`)
    const [band = 0] = packet.payload
    if (band >= 1 && band <= 3) {
      yield { band, bytes: packet.payload.subarray(1), last: true }
      yield* reader.bands()
      return
    }
    checkAnswer(textOf(packet.payload))
  }
  throw new EscrowError('REMOTE_PROTOCOL', `expected at most ${refsMax} answers before the pack, got more`)
}

function checkAnswer(line: string): void {
  if (/^(?:un)?shallow /.test(line)) throw shallow()
  if (!/^(?:NAK|ACK (?:[0-9a-f]{40}|[0-9a-f]{64})(?: (?:continue|common|ready))?)$/.test(line))
    throw new EscrowError('REMOTE_PROTOCOL', `expected ACK, NAK or a pack, got ${quote(line)}`)
}

/** `name`, `name=value`, separated by spaces; `symref=HEAD:refs/heads/main` may come several times. */
function parseFeatures(text: string): { readonly capabilities: Capabilities; readonly symrefs: ReadonlyMap<string, string> } {
  const capabilities = new Map<string, string>()
  const symrefs = new Map<string, string>()
  const features = text.split(' ').filter((feature) => feature !== '')
  if (features.length > capabilitiesMax)
    throw new EscrowError('REMOTE_PROTOCOL', `expected at most ${capabilitiesMax} capabilities, got ${features.length}`)
  for (const feature of features) {
    const equals = feature.indexOf('=')
    const [name, value] = equals === -1 ? [feature, ''] : [feature.slice(0, equals), feature.slice(equals + 1)]
    const colon = value.indexOf(':')
    if (name === 'symref' && colon !== -1) symrefs.set(value.slice(0, colon), checkRefName(value.slice(colon + 1)))
    else capabilities.set(name, value)
  }
  return { capabilities, symrefs }
}

/** Lines of an advertisement, put together. */
class AdvertisedRefs {
  readonly #objectFormat: ObjectFormat
  readonly #idPattern: RegExp
  readonly #symrefs: ReadonlyMap<string, string>
  readonly #refs: RemoteRef[] = []
  #headOid: string | null = null
  #last = ''

  constructor(objectFormat: ObjectFormat, symrefs: ReadonlyMap<string, string>) {
    this.#objectFormat = objectFormat
    this.#idPattern = objectIdPattern(objectFormat)
    this.#symrefs = symrefs
  }

  add(line: string): void {
    if (line.startsWith('shallow ')) throw shallow()
    const space = line.indexOf(' ')
    const [oid, name] = [line.slice(0, space), line.slice(space + 1)]
    if (!this.#idPattern.test(oid)) throw new EscrowError('REMOTE_PROTOCOL', `expected an object id and a ref, got ${quote(line)}`)
    if (name === 'capabilities^{}') this.#addNothing(oid)
    else if (name.endsWith('^{}')) this.#peel(name.slice(0, -3), oid)
    else if (name === 'HEAD') this.#addHead(oid)
    else this.#addRef(checkRefName(name), oid)
  }

  listing(): RefListing {
    return toListing(this.#objectFormat, this.#head(), this.#refs)
  }

  #head(): RemoteHead | null {
    const ref = this.#symrefs.get('HEAD')
    if (ref !== undefined) return { kind: 'branch', ref, oid: this.#headOid }
    return this.#headOid === null ? null : { kind: 'detached', oid: this.#headOid }
  }

  /** The only line of an empty repository: there are capabilities, and no ref to hang them on. */
  #addNothing(oid: string): void {
    if (this.#last !== '' || !/^0+$/.test(oid)) throw new EscrowError('REMOTE_PROTOCOL', 'expected capabilities without refs, got both')
    this.#last = 'capabilities^{}'
  }

  #addHead(oid: string): void {
    if (this.#last !== '') throw new EscrowError('REMOTE_PROTOCOL', `expected HEAD once and first, got it after ${quote(this.#last)}`)
    this.#headOid = oid
    this.#last = 'HEAD'
  }

  #addRef(name: string, oid: string): void {
    if (this.#last === 'capabilities^{}') throw new EscrowError('REMOTE_PROTOCOL', 'expected capabilities without refs, got both')
    const symref = this.#symrefs.get(name)
    this.#refs.push({ name, oid, ...(symref === undefined ? {} : { symref }) })
    this.#last = name
    if (this.#refs.length > refsMax) throw new EscrowError('REFS_TOO_MANY', `expected at most ${refsMax} refs, got more`)
  }

  /** `<name>^{}` follows its tag and says what that finally points to. */
  #peel(name: string, oid: string): void {
    const last = this.#refs.at(-1)
    if (name !== this.#last || name === '') throw new EscrowError('REMOTE_PROTOCOL', `expected a tag before its target, got ${quote(name)}`)
    if (last === undefined || last.name !== name) return
    if (last.peeled !== undefined) throw new EscrowError('REMOTE_PROTOCOL', `expected one target of a tag, got two for ${quote(name)}`)
    this.#refs[this.#refs.length - 1] = { ...last, peeled: oid }
  }
}

function shallow(): EscrowError {
  return new EscrowError('REMOTE_SHALLOW', 'expected a complete repository, got a shallow one')
}
