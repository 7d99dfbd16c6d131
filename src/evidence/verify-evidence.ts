// What an evidence folder says, verified as a whole: documents, receipts, events, statements, accounts, and that one log stands behind all
// of them. Whether its files are those that were handed over, `check-files.ts` says. What is wrong is collected, not thrown.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { noteBytesMax, signedDocumentBytesMax } from '../core/limits.js'
import { checkpointPolicy, openCheckpoint, type Checkpoint, type OpenedCheckpoint } from '../format/checkpoint.js'
import { indexLeafList, type LeafIndex } from '../format/leaf-list.js'
import { sameHash } from '../format/merkle.js'
import { formatNote } from '../format/note.js'
import type { SignedAgreement } from '../format/signed-agreement.js'
import { verifyAttestation, type VerifiedAttestation } from '../format/verify-attestation.js'
import type { ArchiveProblem, TrustedAgreement } from '../store/archive-agreement.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { earlierTrees, rootProblems, type EarlierTree } from './earlier-trees.js'
import { evidenceNames } from './evidence-files.js'
import { verifyAgreement, type VerifiedAgreement } from './verify-archive.js'
import { absentDeposits, readEvents, verifyChains, verifyProofs, type StoredEvent, type VerifiedEvent } from './verify-events.js'
import { verifyStatements, type VerifiedRecord } from './verify-statements.js'

/** What was verified in a folder; a report is made from this and nothing else. */
export interface VerifiedEvidence {
  readonly documents: VerifiedAgreement
  readonly checkpoint: OpenedCheckpoint
  /** In the order of the log. */
  readonly events: readonly VerifiedEvent[]
  /** Statements that events tell of, by the digest that the event names. */
  readonly statements: ReadonlyMap<string, VerifiedRecord>
  readonly attestations: readonly VerifiedAttestation[]
  /** Everything that does not hold, of the documents too. */
  readonly problems: readonly ArchiveProblem[]
}

/** Whose evidence, and what the verifier brings along. */
export interface EvidenceWish {
  readonly pinned: SignedAgreement | null
  /** Of the annex; null takes the tags at the agent's word. */
  readonly tagSecret: ((agreement: SignedAgreement) => Promise<Uint8Array | null>) | null
  /** When the evidence was collected: decides what may have expired, and until when every due time must be accounted for. */
  readonly collectedAt: Date
  /** Verified checkpoints of this log that the verifier has from elsewhere and earlier: the log must have grown from each. */
  readonly seen?: readonly Checkpoint[]
}

/**
 * Verify what an evidence folder says.
 *
 * @throws EscrowError `NOT_FOUND` when it has nothing of the agreement; `CHECKPOINT_INVALID`, `PROOF_INVALID`, `OBJECT_MISSING` when there is no
 *   log to compare with; `STORE_*`; what is wrong with a pinned agreement
 */
export async function verifyEvidence(
  reader: ArchiveReader,
  id: SignedAgreement['body']['agreement'],
  wish: EvidenceWish,
  signal: AbortSignal,
): Promise<VerifiedEvidence> {
  const { pinned, collectedAt } = wish
  const documents = await verifyAgreement(reader, id, { pinned, now: collectedAt, progress: () => undefined, documentsOnly: true }, signal)
  const agreement = documents.trusted.newest
  const problems = [...documents.problems]
  const checkpoint = openCheckpoint(await reader.read(evidenceNames.checkpoint, noteBytesMax, signal), checkpointPolicy(agreement.body.log))
  const stored = await readEvents(reader, problems, signal)
  const earlier = earlierTrees(documents, wish.seen ?? [])
  const index = await indexLeaves(reader, { stored, earlier, checkpoint }, signal)
  problems.push(...rootProblems(earlier, index, checkpoint))
  const events = verifyChains(stored, { index, agreement: id, problems })
  problems.push(...absentDeposits(events, documents, collectedAt))
  await verifyProofs(reader, { events, checkpoint, note: formatNote(checkpoint.note), problems }, signal)
  const statements = await verifyStatements(reader, { events, trusted: documents.trusted, problems }, signal)
  const tagSecret = (await wish.tagSecret?.(agreement)) ?? null
  const attestations = await verifyAccounts(reader, { trusted: documents.trusted, tagSecret, index, collectedAt, problems }, signal)
  return { documents, checkpoint, events, statements, attestations, problems }
}

/** Read the list of leaves once. @throws EscrowError `PROOF_INVALID` when it is not that of the checkpoint */
async function indexLeaves(
  reader: ArchiveReader,
  of: { readonly stored: readonly StoredEvent[]; readonly earlier: readonly EarlierTree[]; readonly checkpoint: OpenedCheckpoint },
  signal: AbortSignal,
): Promise<LeafIndex> {
  const { stored, earlier, checkpoint } = of
  const digests = new Set(stored.map(({ digest }) => digest))
  const sizes = new Set(earlier.map(({ tree }) => tree.size))
  const leaves = reader.store.get(evidenceNames.leaves, {}, signal)
  const index = await indexLeafList(leaves, { digests, sizes, sizeMax: checkpoint.size }).catch((error: unknown) => {
    // One that is too long, or ends within a leaf, belongs to no checkpoint of this size either.
    if (isEscrowError(error, 'FORMAT_INVALID')) return null
    throw error
  })
  if (index !== null && index.size === checkpoint.size && sameHash(index.root, checkpoint.root)) return index
  throw new EscrowError('PROOF_INVALID', `the list of leaves is not that of the checkpoint of ${checkpoint.size} leaves`)
}

async function verifyAccounts(
  reader: ArchiveReader,
  of: {
    readonly trusted: TrustedAgreement
    readonly tagSecret: Uint8Array | null
    readonly index: LeafIndex
    readonly collectedAt: Date
    readonly problems: ArchiveProblem[]
  },
  signal: AbortSignal,
): Promise<readonly VerifiedAttestation[]> {
  const { trusted, tagSecret, index, collectedAt, problems } = of
  const verified: VerifiedAttestation[] = []
  for await (const { key } of reader.store.list('attestations/', signal)) {
    try {
      const bytes = await reader.read(key, signedDocumentBytesMax, signal)
      verified.push(await verifyAttestation(bytes, trusted.newest, { tagSecret, leaves: index }))
    } catch (error) {
      if (!isEscrowError(error) || error.code.startsWith('STORE_')) throw error
      problems.push({ error, where: key })
    }
  }
  problems.push(...unaccounted(trusted.newest, verified, collectedAt))
  return verified.toSorted((left, right) => Date.parse(left.attestation.from) - Date.parse(right.attestation.from))
}

/** Accounts of a source follow each other from its first due time until the evidence was collected: one that was left out would hide what it says. */
function unaccounted({ body }: SignedAgreement, verified: readonly VerifiedAttestation[], until: Date): readonly ArchiveProblem[] {
  return body.sources.flatMap(({ source, schedule }): ArchiveProblem[] => {
    const own = verified.map(({ attestation }) => attestation).filter((one) => one.source === source)
    let reachedMs = Date.parse(schedule.startsAt)
    for (const { from, to } of own.toSorted((left, right) => Date.parse(left.from) - Date.parse(right.from))) {
      if (Date.parse(from) <= reachedMs) reachedMs = Math.max(reachedMs, Date.parse(to))
    }
    if (reachedMs >= until.getTime()) return []
    const words = `expected an account of every due time of ${source}, got none from ${new Date(reachedMs).toISOString()} on`
    return [{ error: new EscrowError('OBJECT_MISSING', words), where: `attestations/${source}` }]
  })
}
