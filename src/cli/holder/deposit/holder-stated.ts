// A depositor's signed word on what its repository holds now: for `git push -o`, or by itself when nothing is new.
import { SystemClock } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { digestRefs } from '../../../format/refs-digest.js'
import { signDocument } from '../../../format/signed-document.js'
import { DepositStatement } from '../../../format/statement.js'
import type { RefListing } from '../../../git/git-remote.js'
import type { CommandContext, CommandResult } from '../../command.js'
import { readNamedFile, writeNamedFile } from '../../files.js'
import { openOwnRemote } from './own-remote.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { openSigner, type Signer } from '../../party/sign-statement.js'
import { firstFieldsOf } from '../../party/statement-fields.js'

/** Days that it may be presented: it says how things are now. */
const statedDays = 1

/** What a repository held when somebody looked. */
export interface Looked {
  readonly source: string
  readonly epoch: number
  readonly takenAt: Date
  readonly listing: RefListing
}

/** Sign what was seen. No pack is named: none was made. */
export function signStated({ party, agreement }: Signer, looked: Looked): Uint8Array {
  const { source, epoch, takenAt, listing } = looked
  const { objectFormat, refs } = listing
  const fields = firstFieldsOf(agreement, { party, epoch, now: takenAt, days: statedDays })
  const matter = {
    source,
    takenAt: takenAt.toISOString(),
    objectFormat,
    refsDigest: digestRefs(listing),
    refCount: refs.length,
    packChecksum: null,
  }
  const body = { type: 'escrow/statement/deposit-statement/v1' as const, ...fields, ...matter }
  return signDocument({ body, schema: DepositStatement, key: party.signingKey })
}

/**
 * Sign what a repository holds, as a push of all of it would leave the service.
 *
 * @returns one line of options for `git push`, which a shell splits at its spaces: no ref name has one.
 * @throws EscrowError `ARGUMENT_INVALID` for a HEAD that no push could name, or a source that the agreement does not have; `REMOTE_*`
 */
export async function stateDeposit(
  context: CommandContext,
  options: { readonly as: string; readonly agreement: string; readonly source: string; readonly out: string; readonly epoch?: number },
  repository: string,
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const { body } = signer.agreement
  const source = body.sources.find((known) => known.source === options.source)
  if (source === undefined || source.mode === 'pull') {
    throw new EscrowError('ARGUMENT_INVALID', `expected a source ${options.source} that its depositor sends, got ${source?.mode ?? 'none'}`)
  }
  const listed = await listOwn(repository, context.signal)
  const listing = source.mode === 'push' ? asPushed(listed) : listed
  const epoch = options.epoch ?? body.vault.epochs[0]?.epoch ?? 1
  await writeNamedFile(options.out, signStated(signer, { source: options.source, epoch, takenAt: new SystemClock().now(), listing }))
  const text = (await readNamedFile(options.out, signedDocumentBytesMax)).toString('base64url')
  const pushOptions = [...(listing.head.kind === 'branch' ? [`head=${listing.head.ref}`] : []), `statement=${text}`]
  const json = { source: options.source, refs: listing.refs.length, refsDigest: digestRefs(listing), pushOptions, file: options.out }
  return { json, lines: [pushOptions.map((option) => `-o ${option}`).join(' ')] }
}

async function listOwn(repository: string, signal: AbortSignal): Promise<RefListing> {
  const own = openOwnRemote(repository)
  try {
    return await own.remote.listRefs(signal)
  } finally {
    own.close()
  }
}

/** A push carries ids: a symbolic ref arrives as what it leads to, and nothing arrives below the reserved names. */
function asPushed(listing: RefListing): RefListing {
  const { head } = listing
  if (head.kind === 'detached' || (head.kind === 'branch' && head.oid === null)) {
    throw new EscrowError('ARGUMENT_INVALID', 'expected HEAD to name a branch that exists: git symbolic-ref HEAD refs/heads/main')
  }
  const refs = listing.refs.filter(({ name }) => !name.startsWith('refs/escrow/'))
  return { ...listing, refs: refs.map(({ name, oid, peeled }) => ({ name, oid, ...(peeled === undefined ? {} : { peeled }) })) }
}
