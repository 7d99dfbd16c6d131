/**
 * The log's side of c2sp.org/tlog-witness. A witness may be down, slow, wrong or hostile: whatever it answers is bounded in time and size, and
 * only a cosignature that verifies under its pinned key, over our checkpoint, counts.
 */
import { createHash } from 'node:crypto'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { noteBytesMax, witnessAnswerBytesMax, witnessTimeoutMs } from '../core/limits.js'
import { formatAddCheckpoint, type AddCheckpoint } from '../format/add-checkpoint.js'
import { readCosignature } from '../format/cosignature.js'
import { parseSignatureLine, type NoteKey, type NoteSignature } from '../format/note.js'

/** A witness and where it listens. */
export interface WitnessAddress {
  /** Of type 4. */
  readonly key: NoteKey
  /** The prefix of both of its APIs, `http://` or `https://`, without a slash at its end. */
  readonly url: string
}

/** What a witness said to a checkpoint. */
export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly line: NoteSignature; readonly timestamp: number }
  /** It last cosigned a tree of another size than the request said. */
  | { readonly kind: 'conflict'; readonly size: number }

interface Answer {
  readonly status: number
  readonly body: string
}

const sizeLine = /^(0|[1-9]\d{0,15})\n$/

/**
 * Ask a witness to cosign.
 *
 * @param text - the checkpoint's note text; what the cosignature must be over.
 * @throws EscrowError `WITNESS_UNREACHABLE` when it does not answer in time; `WITNESS_REFUSED` with its status and words, or when what it
 *   sent is no cosignature of this checkpoint by its key
 */
export async function askWitness(
  witness: WitnessAddress,
  request: AddCheckpoint,
  text: string,
  signal?: AbortSignal,
): Promise<WitnessAnswer> {
  const body = new Uint8Array(formatAddCheckpoint(request))
  const answer = await exchange(witness, '/add-checkpoint', { method: 'POST', body }, signal)
  if (answer.status === 409) return { kind: 'conflict', size: conflictSize(witness, answer.body) }
  if (answer.status !== 200) throw refused(witness, `answered ${answer.status}: ${printable(answer.body)}`)
  for (const line of answer.body.split('\n').slice(0, 64)) {
    const signature = readLine(line)
    if (signature === null || signature.name !== witness.key.name || signature.keyId !== witness.key.keyId) continue
    const cosignature = readCosignature(text, signature, witness.key)
    if (cosignature !== null) return { kind: 'cosigned', line: signature, timestamp: cosignature.timestamp }
  }
  throw refused(witness, 'sent no cosignature of this checkpoint that verifies under its key')
}

/**
 * The checkpoint of a log that a witness last cosigned.
 *
 * @returns unverified bytes of at most `noteBytesMax`; null when it has never seen the log.
 * @throws EscrowError as `askWitness`
 */
export async function recallCheckpoint(witness: WitnessAddress, origin: string, signal?: AbortSignal): Promise<Uint8Array | null> {
  const path = `/${createHash('sha256').update(origin).digest('hex')}/checkpoint`
  const answer = await exchange(witness, path, { method: 'GET' }, signal)
  if (answer.status === 404) return null
  if (answer.status !== 200) throw refused(witness, `answered ${answer.status}: ${printable(answer.body)}`)
  return new TextEncoder().encode(answer.body).subarray(0, noteBytesMax)
}

function readLine(line: string): NoteSignature | null {
  try {
    return parseSignatureLine(line)
  } catch (error) {
    if (isEscrowError(error)) return null
    throw error
  }
}

function conflictSize(witness: WitnessAddress, body: string): number {
  const size = Number(sizeLine.exec(body)?.[1] ?? Number.NaN)
  if (!Number.isSafeInteger(size)) throw refused(witness, 'answered 409 without the size that it knows')
  return size
}

async function exchange(witness: WitnessAddress, path: string, request: RequestInit, signal?: AbortSignal): Promise<Answer> {
  const late = AbortSignal.timeout(witnessTimeoutMs)
  try {
    const either = signal === undefined ? late : AbortSignal.any([signal, late])
    const response = await fetch(`${witness.url}${path}`, { ...request, redirect: 'error', signal: either })
    return { status: response.status, body: await boundedText(response) }
  } catch (cause) {
    signal?.throwIfAborted()
    if (isEscrowError(cause)) throw cause
    const words = late.aborted ? `did not answer within ${witnessTimeoutMs} ms` : 'cannot be reached'
    throw new EscrowError('WITNESS_UNREACHABLE', `witness ${witness.key.name} ${words}`, { cause })
  }
}

/** The body as UTF-8, refused as soon as it is longer than anything a witness has to say. */
async function boundedText(response: Response): Promise<string> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    sizeBytes += block.length
    if (sizeBytes > witnessAnswerBytesMax)
      throw new EscrowError('WITNESS_REFUSED', `a witness answered with more than ${witnessAnswerBytesMax} bytes`)
    blocks.push(block)
  }
  return Buffer.concat(blocks).toString('utf8')
}

function refused(witness: WitnessAddress, words: string): EscrowError {
  return new EscrowError('WITNESS_REFUSED', `witness ${witness.key.name} ${words}`)
}

/** Words of a stranger, for logs and terminals. */
function printable(text: string): string {
  return text
    .slice(0, 300)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, ' ')
    .trim()
}
