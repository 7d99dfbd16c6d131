// The events of an evidence folder: each is the leaf that its file names, the leaves of its subject are all there in one chain, and each has a
// proof that leads to the folder's checkpoint. The list of leaves was compared with that checkpoint before.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { documentBytesMax, signedDocumentBytesMax } from '../core/limits.js'
import { canonicalize, parseCanonical } from '../format/canonical-json.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import { checkEventChain, EventRecord, type LoggedEvent } from '../format/event.js'
import type { LeafIndex } from '../format/leaf-list.js'
import { eventDigest, formatLogEntry } from '../format/log-entry.js'
import { leafHash, verifyInclusion } from '../format/merkle.js'
import { parseBody } from '../format/parse-body.js'
import { parseProof } from '../format/proof.js'
import type { ArchiveProblem } from '../store/archive-agreement.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import type { ObjectKey } from '../store/object-key.js'
import { proofName } from './evidence-files.js'
import type { VerifiedAgreement } from './verify-archive.js'

/** An event's file, read but not yet found in the log. */
export interface StoredEvent {
  readonly key: ObjectKey
  readonly record: EventRecord
  /** Salted digest in hex. */
  readonly digest: string
}

/** An event that is a leaf of the log. */
export interface VerifiedEvent extends LoggedEvent {
  /** Index of the leaf. */
  readonly place: number
  readonly key: ObjectKey
}

/** Read every event. @throws EscrowError `STORE_*` */
export async function readEvents(reader: ArchiveReader, problems: ArchiveProblem[], signal: AbortSignal): Promise<readonly StoredEvent[]> {
  const records: StoredEvent[] = []
  for await (const { key } of reader.store.list('events/', signal)) {
    await attempt(problems, key, async () => {
      const record = parseBody(parseCanonical(await reader.read(key, documentBytesMax, signal), documentBytesMax), EventRecord, 'event')
      records.push({ key, record, digest: hex(eventDigest(Buffer.from(record.salt, 'hex'), canonicalize(record.event))) })
    })
  }
  return records
}

/** The events that are leaves, in the order of the log. @param of.problems - takes those that are not, and every gap in a chain. */
export function verifyChains(
  stored: readonly StoredEvent[],
  of: { readonly index: LeafIndex; readonly agreement: string; readonly problems: ArchiveProblem[] },
): readonly VerifiedEvent[] {
  const chains = new Map<string, VerifiedEvent[]>()
  for (const one of stored) {
    const { error, tag, event } = leafOf(one, of)
    if (error !== null) {
      of.problems.push({ error, where: one.key })
      continue
    }
    const chain = chains.get(tag) ?? []
    chains.set(tag, chain)
    chain.push(event)
  }
  for (const [tag, chain] of chains) {
    chain.sort((left, right) => left.place - right.place)
    of.problems.push(...chainProblems(chain, of.index.placesOf.get(tag)?.length ?? 0))
  }
  return [...chains.values()].flat().toSorted((left, right) => left.place - right.place)
}

type Found =
  | { readonly error: EscrowError; readonly tag: null; readonly event: null }
  | { readonly error: null; readonly tag: string; readonly event: VerifiedEvent }

function leafOf({ key, record, digest }: StoredEvent, of: { readonly index: LeafIndex; readonly agreement: string }): Found {
  const leaf = of.index.leaves.get(digest)
  if (leaf === undefined) return refused('PROOF_INVALID', 'expected the event to be a leaf of the log')
  const hash = hex(leafHash(formatLogEntry({ tag: Buffer.from(leaf.tag, 'hex'), digest: Buffer.from(digest, 'hex') })))
  if (key !== `events/${hash}.json`) return refused('PROOF_INVALID', `expected the event under the name of its leaf ${hash}`)
  if (record.event.agreement !== of.agreement) return refused('AGREEMENT_DIGEST', `expected an event of ${of.agreement}`)
  return { error: null, tag: leaf.tag, event: { key, event: record.event, leafHash: hash, place: leaf.place } }
}

function refused(code: 'PROOF_INVALID' | 'AGREEMENT_DIGEST', words: string): Found {
  return { error: new EscrowError(code, words), tag: null, event: null }
}

function chainProblems(chain: readonly VerifiedEvent[], inLog: number): readonly ArchiveProblem[] {
  const where = chain[0]?.event.subject ?? 'events'
  try {
    checkEventChain(chain)
    if (inLog === chain.length) return []
    throw new EscrowError('CHAIN_BROKEN', `expected all ${inLog} events that the log has of ${where}, got ${chain.length}`)
  } catch (error) {
    if (!isEscrowError(error)) throw error
    return [{ error, where }]
  }
}

/**
 * Every event has a proof that leads to the checkpoint, and every proof is one of an event. The checkpoint was verified once; a proof must end
 * with the very same bytes.
 *
 * @throws EscrowError `STORE_*`
 */
export async function verifyProofs(
  reader: ArchiveReader,
  of: {
    readonly events: readonly VerifiedEvent[]
    readonly checkpoint: OpenedCheckpoint
    /** The bytes of that checkpoint. */
    readonly note: Uint8Array
    readonly problems: ArchiveProblem[]
  },
  signal: AbortSignal,
): Promise<void> {
  const { events, checkpoint, note, problems } = of
  for (const { leafHash: leaf, place } of events) {
    const name = proofName(leaf)
    await attempt(problems, name, async () => {
      const proof = parseProof(new TextDecoder().decode(await reader.read(name, signedDocumentBytesMax, signal)))
      if (proof.index !== place || Buffer.compare(proof.checkpoint, note) !== 0 || proof.extra !== undefined)
        throw new EscrowError('PROOF_INVALID', `expected a proof of leaf ${place} that leads to the checkpoint of the folder`)
      const claim = { index: place, size: checkpoint.size, leafHash: Buffer.from(leaf, 'hex'), root: checkpoint.root }
      verifyInclusion(claim, proof.hashes)
    })
  }
}

/** Every deposit that the log tells of is there with its manifest and a receipt that holds, unless it may have expired. */
export function absentDeposits(
  events: readonly VerifiedEvent[],
  { sources }: VerifiedAgreement,
  collectedAt: Date,
): readonly ArchiveProblem[] {
  const held = new Set(sources.flatMap(({ history }) => history.published.flatMap((one) => (one.receipt === null ? [] : [one.digest]))))
  const extended = events.flatMap(({ event }) => (event.type === 'escrow/event/retention-extended/v1' ? [event] : []))
  return events.flatMap(({ event }): ArchiveProblem[] => {
    if (event.type !== 'escrow/event/deposit-stored/v1' || held.has(event.manifest)) return []
    const { source, sequence } = event
    const longer = extended.filter((one) => one.source === source && one.fromSequence <= sequence && sequence <= one.toSequence)
    const keptMs = Math.max(...[event, ...longer].map(({ retainUntil }) => Date.parse(retainUntil)))
    if (keptMs < collectedAt.getTime()) return []
    const words = `expected deposit ${sequence} of ${source} with manifest ${event.manifest} and its receipt`
    return [{ error: new EscrowError('OBJECT_MISSING', words), where: event.manifestKey }]
  })
}

async function attempt(problems: ArchiveProblem[], where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isEscrowError(error) || error.code.startsWith('STORE_')) throw error
    problems.push({ error, where })
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
