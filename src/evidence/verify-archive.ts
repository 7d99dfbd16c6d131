// Everything that can be said about one agreement's part of an archive without any secret. What is wrong is collected, not thrown: whoever
// verifies wants to know all of it.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { documentBytesMax, signedDocumentBytesMax } from '../core/limits.js'
import { canonicalize } from '../format/canonical-json.js'
import type { EventRecord } from '../format/event.js'
import type { AgreementId } from '../format/ids.js'
import type { SignedAgreement } from '../format/signed-agreement.js'
import { epochOf, partyOf } from '../format/signed-agreement.js'
import { checkStatement } from '../format/check-statement.js'
import { openDocument } from '../format/signed-document.js'
import { ShareAccept, type StatementOf } from '../format/statement.js'
import { trustAgreement, type ArchiveProblem, type TrustedAgreement } from '../store/archive-agreement.js'
import type { ArchivedDeposit } from '../store/archived-deposit.js'
import { depositFileKey, type AgreementTree, type ArchiveReader } from '../store/archive-reader.js'
import { objectKeys, parseObjectKey, type ObjectKey } from '../store/object-key.js'
import type { ExpectedObject } from '../store/expected-object.js'
import { readHistory, type SourceHistory } from '../store/source-history.js'
import { verifyFile } from '../store/verify-file.js'

/** How far the reading of files has come. */
export interface ReadingProgress {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit: 'bytes'
}

/** What was found of one agreement. */
export interface VerifiedAgreement {
  readonly trusted: TrustedAgreement
  /** Shares that custodians have accepted, of the newest version. */
  readonly accepted: { readonly shares: number; readonly expected: number }
  readonly sources: readonly VerifiedSource[]
  readonly problems: readonly ArchiveProblem[]
}

/** What was found of one source. */
export interface VerifiedSource {
  readonly history: SourceHistory
  readonly files: number
  readonly bytes: number
}

/** How an archive is verified. */
export interface VerifyWish {
  readonly pinned: SignedAgreement | null
  readonly now: Date
  readonly progress: (progress: ReadingProgress) => void
  /** Only the documents: the folder is one of evidence, has no envelopes, and its events are verified as leaves of its log. */
  readonly documentsOnly?: boolean
}

/**
 * Verify one agreement of an archive.
 *
 * @throws EscrowError `NOT_FOUND` when the archive has nothing of it; `STORE_*`; what is wrong with a pinned agreement
 */
export async function verifyAgreement(
  reader: ArchiveReader,
  id: AgreementId,
  wish: VerifyWish,
  signal: AbortSignal,
): Promise<VerifiedAgreement> {
  const tree = await reader.tree(id, undefined, signal)
  if (tree.versions.length === 0 && tree.sources.size === 0)
    throw new EscrowError('NOT_FOUND', `the archive has nothing of agreement ${id}`)
  const { agreement: trusted, problems: unsound } = await trustAgreement(reader, tree, wish.pinned, signal)
  const problems = [...unsound]
  if (!tree.versions.includes(trusted.newest.body.version)) {
    problems.push({ error: new EscrowError('OBJECT_MISSING', 'expected the agreement itself in the archive'), where: `agreements/${id}` })
  }
  const accepted = await verifyAcceptances(reader, { tree, trusted, problems }, signal)
  const sources: VerifiedSource[] = []
  for (const [source, folders] of tree.sources) {
    const history = await readHistory(reader, { source, folders, trusted, now: wish.now }, signal)
    problems.push(...history.problems)
    if (wish.documentsOnly !== true) problems.push(...(await verifyEvents(reader, history, signal)))
    const nothing = { files: 0, bytes: 0 }
    const files = wish.documentsOnly === true ? nothing : await verifyFiles(reader, { history, problems, progress: wish.progress }, signal)
    sources.push({ history, ...files })
  }
  problems.push(...forks(sources))
  if (accepted.shares < accepted.expected && sources.some((source) => source.history.published.length > 0)) {
    const words = `expected acceptances of ${accepted.expected} shares before the first deposit, got ${accepted.shares}`
    problems.push({ error: new EscrowError('VAULT_NOT_ARMED', words), where: `agreements/${id}/vault-${trusted.newest.body.version}` })
  }
  return { trusted, accepted, sources, problems }
}

interface Findings {
  readonly tree: AgreementTree
  readonly trusted: TrustedAgreement
  readonly problems: ArchiveProblem[]
}

/** Every custodian of the newest version has accepted its share of every epoch. */
async function verifyAcceptances(
  reader: ArchiveReader,
  { tree, trusted, problems }: Findings,
  signal: AbortSignal,
): Promise<VerifiedAgreement['accepted']> {
  const { body } = trusted.newest
  const accepted = new Set<string>()
  for (const key of tree.vaultStatements.get(body.version) ?? []) {
    try {
      const statement = openAcceptance(await reader.read(key, signedDocumentBytesMax, signal), trusted.newest)
      accepted.add(`${statement.epoch}/${statement.index}`)
    } catch (error) {
      if (!isEscrowError(error)) throw error
      problems.push({ error, where: key })
    }
  }
  return { shares: accepted.size, expected: body.vault.custodians.length * body.vault.epochs.length }
}

function openAcceptance(bytes: Uint8Array, agreement: SignedAgreement): StatementOf<'share-accept'> {
  const keys = (statement: StatementOf<'share-accept'>) => partyOf(agreement.body, statement.party).keys
  const { body } = openDocument(bytes, { schema: ShareAccept, keys, what: 'share acceptance' })
  // It was presented when the vault was armed; an archive is read long after its expiry.
  checkStatement(body, { agreement: agreement.digest, origin: agreement.body.origin, now: new Date(body.issuedAt) })
  const holder = agreement.body.vault.custodians.find((custodian) => custodian.index === body.index)?.party
  if (holder === body.party && epochOf(agreement.body, body.epoch).recipient === body.recipient) return body
  throw new EscrowError('SHARE_INVALID', `expected ${body.party} to accept its own share of this vault`)
}

/** Read every file that a manifest of the chain names. */
async function verifyFiles(
  reader: ArchiveReader,
  of: { readonly history: SourceHistory; readonly problems: ArchiveProblem[]; readonly progress: (progress: ReadingProgress) => void },
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { source, published } = of.history
  // Deposits may name the same attachment.
  const files = [...new Map(published.flatMap((deposit) => filesOf(deposit)).map((file) => [file.key, file])).values()]
  const total = files.reduce((sum, { expected }) => sum + expected.sizeBytes, 0)
  let bytes = 0
  const onBytes = (count: number) => {
    bytes += count
    of.progress({ phase: `${source}: reading`, done: bytes, total, unit: 'bytes' })
  }
  for (const { key, expected } of files) {
    const error = await verifyFile(reader.store, { key, expected, onBytes }, signal)
    if (error !== null) of.problems.push({ error, where: key })
  }
  return { files: files.length, bytes }
}

/** The files that a deposit's manifest names. */
export function filesOf({
  manifest,
  place,
}: Pick<ArchivedDeposit, 'manifest' | 'place'>): readonly { readonly key: ObjectKey; readonly expected: ExpectedObject }[] {
  const own = [manifest.envelope, manifest.inventory, manifest.knownObjects].map((file) => ({
    key: depositFileKey(place, file.key),
    expected: file,
  }))
  const folder = `agreements/${place.agreement}/sources/${place.source}/`
  return [...own, ...manifest.attachments.map((file) => ({ key: parseObjectKey(`${folder}${file.key}`), expected: file }))]
}

/** The events behind the receipts: a rebuilt index is made from these files, so a copy that has them must have the right ones. */
async function verifyEvents(reader: ArchiveReader, { published }: SourceHistory, signal: AbortSignal): Promise<readonly ArchiveProblem[]> {
  const problems: ArchiveProblem[] = []
  for (const { receipt } of published) {
    if (receipt === null) continue
    const { leafHash, salt, event } = receipt.receipt.log
    const where = objectKeys.event(leafHash)
    try {
      const got = await reader.read(where, documentBytesMax, signal)
      const record: EventRecord = { type: 'escrow/event-record/v1', salt, event }
      if (Buffer.compare(got, canonicalize(record)) === 0) continue
      problems.push({ error: new EscrowError('DIGEST_MISMATCH', 'expected the event of the receipt, got another'), where })
    } catch (error) {
      // A copy of one agreement need not have them: the receipt repeats its event.
      if (!isEscrowError(error, 'OBJECT_MISSING')) throw error
    }
  }
  return problems
}

/** Checkpoints of one size with two roots: the log has shown different trees to different readers. */
function forks(sources: readonly VerifiedSource[]): readonly ArchiveProblem[] {
  const roots = new Map<number, string>()
  const problems: ArchiveProblem[] = []
  for (const { history } of sources) {
    for (const { receipt } of history.published) {
      if (receipt === null) continue
      const { size } = receipt.checkpoint
      const root = Buffer.from(receipt.checkpoint.root).toString('hex')
      const known = roots.get(size) ?? root
      roots.set(size, known)
      if (known !== root)
        problems.push({ error: new EscrowError('LOG_FORKED', `expected one tree of ${size} leaves, got two`), where: history.source })
    }
  }
  return problems
}
