import { EscrowError } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import { canonicalize, parseCanonical } from '../format/canonical-json.js'
import { EventRecord } from '../format/event.js'
import { eventDigest, formatLogEntry } from '../format/log-entry.js'
import { leafHash as hashLeaf } from '../format/merkle.js'
import { parseBody } from '../format/parse-body.js'
import { objectKeys } from '../store/object-key.js'
import { atEach, faultOfAll, type Replica } from '../store/replica.js'

/**
 * The event behind a leaf, from the first replica whose file really gives this leaf.
 *
 * @param leaf - its hash in hex, and the tag in hex that it was made with.
 * @throws EscrowError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_*` when no replica can give it
 */
export async function readEvent(
  replicas: readonly Replica[],
  leaf: { readonly leafHash: string; readonly tag: string },
  signal?: AbortSignal,
): Promise<EventRecord> {
  const read = await atEach(replicas, (replica) => readFrom(replica, leaf, signal))
  const [first] = read.results
  if (first === undefined) throw faultOfAll(read.faults)
  return first.result
}

async function readFrom(
  { store }: Replica,
  leaf: { readonly leafHash: string; readonly tag: string },
  signal?: AbortSignal,
): Promise<EventRecord> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of store.get(objectKeys.event(leaf.leafHash), {}, signal)) {
    sizeBytes += block.byteLength
    if (sizeBytes > documentBytesMax) throw new EscrowError('OBJECT_CORRUPT', `expected an event of at most ${documentBytesMax} bytes`)
    blocks.push(block)
  }
  return parseEventRecord(Buffer.concat(blocks), leaf)
}

/**
 * Read the file behind a leaf and prove that it is the one.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `OBJECT_CORRUPT` when another leaf would come of it
 */
export function parseEventRecord(bytes: Uint8Array, leaf: { readonly leafHash: string; readonly tag: string }): EventRecord {
  try {
    const record = parseBody(parseCanonical(bytes, documentBytesMax), EventRecord, 'event')
    const digest = eventDigest(Buffer.from(record.salt, 'hex'), canonicalize(record.event))
    const found = Buffer.from(hashLeaf(formatLogEntry({ tag: Buffer.from(leaf.tag, 'hex'), digest }))).toString('hex')
    if (found === leaf.leafHash) return record
    throw new EscrowError('OBJECT_CORRUPT', `expected the event of leaf ${leaf.leafHash}, got that of ${found}`)
  } catch (error) {
    throw new EscrowError('OBJECT_CORRUPT', `event ${leaf.leafHash}: ${(error as Error).message}`, { cause: error })
  }
}
