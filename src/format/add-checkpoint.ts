/**
 * What a log asks of a witness (c2sp.org/tlog-witness, `add-checkpoint`): the size that the witness knows, a consistency proof from there,
 * and the new checkpoint. The witness reads it from anybody.
 */
import { EscrowError } from '../core/errors.js'
import { noteBytesMax } from '../core/limits.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import { hashBytes } from './merkle.js'

/** A request as read: nothing in it is verified. */
export interface AddCheckpoint {
  /** Leaves of the tree that the witness cosigned last; 0 if none. */
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
  /** The note, verbatim. */
  readonly checkpoint: Uint8Array
}

/** The specification's ceiling. */
const proofLinesMax = 63
/** The longest request: the size line, 63 hashes of 45 characters, an empty line and a note. */
export const addCheckpointBytesMax = 64 + proofLinesMax * 45 + noteBytesMax
const oldLine = /^old (0|[1-9]\d{0,15})$/

/** The body of a request. */
export function formatAddCheckpoint(request: AddCheckpoint): Uint8Array {
  const lines = [`old ${request.oldSize}`, ...request.proof.map((hash) => encodeBase64(hash))]
  return Buffer.concat([Buffer.from(`${lines.join('\n')}\n\n`), request.checkpoint])
}

/**
 * The parts of a request.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseAddCheckpoint(bytes: Uint8Array): AddCheckpoint {
  if (bytes.length > addCheckpointBytesMax) throw malformed(`expected at most ${addCheckpointBytesMax} bytes, got ${bytes.length}`)
  const split = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('\n\n')
  if (split < 0) throw malformed('expected an empty line before the checkpoint')
  const [first = '', ...lines] = Buffer.from(bytes.subarray(0, split)).toString('latin1').split('\n')
  const oldSize = Number(oldLine.exec(first)?.[1] ?? Number.NaN)
  if (!Number.isSafeInteger(oldSize)) throw malformed('expected a first line like: old 7')
  if (lines.length > proofLinesMax) throw malformed(`expected at most ${proofLinesMax} hashes, got ${lines.length}`)
  const proof = lines.map((line) => {
    const hash = decodeBase64(line)
    if (hash?.length !== hashBytes) throw malformed(`expected hashes of ${hashBytes} bytes in base64`)
    return hash
  })
  return { oldSize, proof, checkpoint: bytes.slice(split + 2) }
}

function malformed(what: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `malformed add-checkpoint request: ${what}`)
}
