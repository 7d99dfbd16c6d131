import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { checkChain } from '../../../format/check-manifest.js'
import { epochOf, openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import { trustAgreement } from '../../../store/archive-agreement.js'
import { unexplainedFindings, type ArchivedDeposit } from '../../../store/archived-deposit.js'
import { newestOpenable, readHistory, type SourceHistory } from '../../../store/source-history.js'
import { columns, required, type CommandContext, type CommandResult } from '../../command.js'
import { fileFault, readNamedFile } from '../../files.js'
import { openableCase } from './holder-open-case.js'
import { combineFiles, readShareFiles, type CombinedShares, type ShareFile } from './holder-shares.js'
import type { RestoredAttachments } from './holder-attachments.js'
import { restoreChain, type Restored } from './holder-restore.js'
import { openPartyFolder, type PartyFolder } from '../../party/party-folder.js'
import { formatBytes, formatCount } from '../../terminal.js'
import { openNamedArchive } from '../../open-archive.js'

interface OpenOptions {
  readonly as: string
  readonly agreement: string
  readonly from?: string
  readonly source?: string
  readonly share?: readonly string[]
  readonly request?: string
  readonly case?: string
  readonly mailbox?: string
  readonly to: string
  readonly sequence?: number
}

/** The deposit that is opened, and why this one. */
interface Chosen {
  readonly deposit: ArchivedDeposit
  readonly why: string
}

/**
 * Verify a chain with the pinned agreement, combine released shares, and restore a bare repository.
 *
 * @throws EscrowError `GRANT_REFUSED` for another deposit than the case grants; `SHARES_TOO_FEW`, `CHAIN_BROKEN`, `SIGNATURE_INVALID`, `OBJECT_*`, `RESTORE_MISMATCH`, `FOLDER_NOT_EMPTY`, `NOT_FOUND`; nothing
 *   stands under `--to` then
 */
export async function open(context: CommandContext, options: OpenOptions): Promise<CommandResult> {
  await requireFree(options.to)
  const party = await openPartyFolder(options.as)
  const pinned = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(pinned, { agent: true })
  const { from, caseFolder } = placesOf(options)
  const reader = await openNamedArchive(from)
  const wish = await wishOf({ ...options, caseFolder }, party, pinned)
  const { source } = wish
  const tree = await reader.tree(pinned.body.agreement, source, context.signal)
  const folders = tree.sources.get(source)
  if (folders === undefined)
    throw new EscrowError('NOT_FOUND', `expected deposits of ${source} under ${pinned.body.agreement} in ${from}, got none`)
  const { agreement: trusted } = await trustAgreement(reader, tree, pinned, context.signal)
  const history = await readHistory(reader, { source, folders, trusted, now: new SystemClock().now() }, context.signal)
  const chosen = wish.sequence === null ? chooseNewest(history) : choose(history, wish.sequence)
  const chain = chainOf(history, chosen.deposit)
  const { envelope } = chosen.deposit.manifest
  const { body } = chosen.deposit.agreement
  const wanted = { vault: body.vault, epoch: epochOf(body, envelope.epoch), identity: party.identity }
  const combined = combineFiles(wish.shares, wanted)
  const restored = await restoreChain(
    reader,
    { chain, identity: combined.identity, to: options.to, progress: context.progress },
    context.signal,
  )
  return presentOpened({ options, history, chosen, chain, combined, restored })
}

/** What is opened, with whose shares: as a released case says, or as the command line does. */
interface OpenWish {
  readonly source: string
  readonly sequence: number | null
  readonly shares: readonly ShareFile[]
}

/** A mailbox has a folder for each case, and in it what was handed over. */
function placesOf(options: OpenOptions): { readonly from: string; readonly caseFolder: string | undefined } {
  const { mailbox, request } = options
  const inMailbox = mailbox === undefined ? undefined : join(mailbox, required(request, '--request with --mailbox'))
  const from = options.from ?? (inMailbox === undefined ? undefined : join(inMailbox, 'archive'))
  return { from: required(from, '--from, or --mailbox'), caseFolder: options.case ?? inMailbox }
}

async function wishOf(
  options: OpenOptions & { readonly caseFolder: string | undefined },
  party: PartyFolder,
  pinned: SignedAgreement,
): Promise<OpenWish> {
  if (options.caseFolder !== undefined) {
    const { request = null, source = null, sequence } = options
    const granted = await openableCase({ folder: options.caseFolder, request, source }, party, pinned)
    if (sequence === undefined || sequence === granted.sequence) return granted
    if (granted.sequence === null) return { ...granted, sequence }
    throw new EscrowError('GRANT_REFUSED', `expected deposit ${granted.sequence} of ${granted.source}, which was granted, got ${sequence}`)
  }
  const source = required(options.source, '--source, or --case')
  return { source, sequence: options.sequence ?? null, shares: await readShareFiles(required(options.share, '--share, or --case')) }
}

async function requireFree(path: string): Promise<void> {
  try {
    await lstat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw fileFault(path, error)
  }
  throw new EscrowError('FOLDER_NOT_EMPTY', `expected nothing at ${path}: a restored repository never takes the place of something`)
}

function chooseNewest(history: SourceHistory): Chosen {
  const { published, source, problems } = history
  const deposit = newestOpenable(history)
  const newest = published.at(-1)
  if (newest === undefined) {
    throw new EscrowError('CHAIN_BROKEN', `expected a deposit of ${source} with a receipt that holds, got none${reasonIn(problems)}`)
  }
  if (deposit === null) {
    throw new EscrowError(
      'DEPOSIT_STATE',
      `every deposit of ${source} has blocking findings that nobody has explained; choose one with --sequence`,
    )
  }
  if (deposit === newest) return { deposit, why: 'the newest' }
  const passed = published.filter(({ place }) => place.sequence > deposit.place.sequence)
  const words = passed.map((one) => `${one.place.sequence} (${unexplainedFindings(one).join(', ')})`).join(', ')
  return { deposit, why: `the newest without an unexplained blocking finding; passed over: ${words}` }
}

function choose(history: SourceHistory, sequence: number): Chosen {
  const deposit = history.published.find(({ place }) => place.sequence === sequence)
  if (deposit !== undefined) {
    const codes = unexplainedFindings(deposit)
    return { deposit, why: codes.length === 0 ? 'as asked' : `as asked, although nobody has explained ${codes.join(', ')}` }
  }
  const unpublished = history.unpublished.find((one) => one.place.sequence === sequence)
  if (unpublished?.deposit != null) return { deposit: unpublished.deposit, why: `as asked, although ${unpublished.reason}` }
  const reason = unpublished === undefined ? reasonIn(history.problems) : `: ${unpublished.reason}${reasonIn(history.problems)}`
  throw new EscrowError('NOT_FOUND', `expected deposit ${sequence} of ${history.source}, got none that holds${reason}`)
}

/** From the full deposit to the wanted one, every link checked. @throws EscrowError `CHAIN_BROKEN` */
function chainOf(history: SourceHistory, deposit: ArchivedDeposit): readonly ArchivedDeposit[] {
  const held = [...history.published, ...history.unpublished.flatMap((one) => (one.deposit === null ? [] : [one.deposit]))]
  const byDigest = new Map(held.map((one) => [one.digest, one]))
  const chain = [deposit]
  for (let next = deposit; next.manifest.kind !== 'full';) {
    const before = byDigest.get(next.manifest.previous ?? '')
    if (before === undefined || chain.length > held.length) {
      const words = `deposit ${next.place.sequence} of ${history.source}: the deposit before it is missing or altered`
      throw new EscrowError('CHAIN_BROKEN', `${words}${reasonIn(history.problems)}`)
    }
    chain.unshift(before)
    next = before
  }
  checkChain(chain)
  return chain
}

/** What else is wrong may be why; the first problem is shown, `escrow verify` shows all. */
function reasonIn(problems: SourceHistory['problems']): string {
  const [first] = problems
  return first === undefined ? '' : ` (${first.where}: ${first.error.message})`
}

function presentOpened(done: {
  readonly options: OpenOptions
  readonly history: SourceHistory
  readonly chosen: Chosen
  readonly chain: readonly ArchivedDeposit[]
  readonly combined: CombinedShares
  readonly restored: Restored
}): CommandResult {
  const { options, history, chosen, chain, combined, restored } = done
  const { place, digest, receipt, manifest } = chosen.deposit
  const { refs, objects, attachments, fsck } = restored
  const lines = [
    `deposit ${place.sequence} of ${place.source} is restored in ${options.to}`,
    ...columns([
      ['chosen', chosen.why],
      ['taken', manifest.takenAt],
      ['manifest', digest],
      [
        'receipt',
        receipt === null ? 'none' : `leaf ${receipt.receipt.log.index}${receipt.degraded ? '; DEGRADED: fewer witnesses than agreed' : ''}`,
      ],
      ['chain', chain.map((deposit) => deposit.place.sequence).join(', ')],
      ['shares', combined.used.join(', ')],
      ...combined.refused.map(({ file, reason }): [string, string] => ['left out', `${file}: ${reason}`]),
      ['refs', `${formatCount(refs)}, each as in the inventory`],
      ['objects', `${formatCount(objects)}, everything connected`],
      ...fsckRows(fsck),
      ...attachmentRows(attachments),
      ...history.problems.map(({ error, where }): [string, string] => ['problem', `${where}: ${error.message} [${error.code}]`]),
    ]),
  ]
  const json = {
    source: place.source,
    sequence: place.sequence,
    why: chosen.why,
    manifest: digest,
    receipt: receipt?.digest ?? null,
    chain: chain.map((deposit) => deposit.place.sequence),
    shares: { used: combined.used, refused: combined.refused },
    refs,
    objects,
    fsck: fsck === null ? null : Object.fromEntries(fsck),
    lfsObjects: attachments.lfsObjects,
    attachments: attachments.files,
    to: options.to,
    problems: [...history.problems, ...attachments.problems].map(({ error, where }) => ({
      code: error.code,
      where,
      message: error.message,
    })),
  }
  return { json, lines, exitCode: attachments.problems.length === 0 ? 0 : 3 }
}

/** What the depositor left out (`--no-fsck`) was done here. */
function fsckRows(fsck: Restored['fsck']): readonly (readonly [string, string])[] {
  if (fsck === null) return []
  const said = [...fsck].map(([id, count]) => `${id} (${formatCount(count)})`).join(', ')
  const words = said === '' ? 'git fsck says nothing of them' : `git fsck warns: ${said}`
  return [['checked', `the depositor had not let git look at the objects again; it did now: ${words}`]]
}

function attachmentRows({ lfsObjects, files, problems }: RestoredAttachments): readonly (readonly [string, string])[] {
  return [
    ...(lfsObjects === 0 ? [] : [['LFS objects', `${formatCount(lfsObjects)}, each as its pointer says`] as const]),
    ...files.map(({ kind, path, sizeBytes }) => [kind, `${path}, ${formatBytes(sizeBytes)}`] as const),
    ...problems.map(({ where, error }) => ['not restored', `${where}: ${error.message} [${error.code}]`] as const),
  ]
}
