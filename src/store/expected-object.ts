import { createHash } from 'node:crypto'
import { EscrowError } from '../core/errors.js'
import type { Sha256Hex } from '../format/ids.js'
import type { ObjectKey } from './object-key.js'

/** What a signed document says of an object's bytes. A manifest's `envelope`, `inventory` and `attachments` have this shape. */
export interface ExpectedObject {
  readonly sizeBytes: number
  readonly sha256: Sha256Hex
  /** Every part but the last has this size; with `partSha256` parts can be verified one by one. */
  readonly partBytes?: number
  readonly partSha256?: readonly Sha256Hex[]
}

/** One stretch of an object with its own digest. */
export interface ExpectedPart {
  readonly offset: number
  readonly sizeBytes: number
  readonly sha256: Sha256Hex
  /** Nothing may follow it. */
  readonly last: boolean
}

/** What is expected of bytes at hand. */
export function expectedOf(bytes: Uint8Array): ExpectedObject {
  return { sizeBytes: bytes.length, sha256: sha256Hex(bytes) }
}

/**
 * The parts that an object is verified by; the object as one part when no part digests are known.
 *
 * @throws EscrowError `FORMAT_INVALID` when the part digests do not cover the size.
 */
export function expectedParts(expected: ExpectedObject): readonly ExpectedPart[] {
  const { sizeBytes, sha256, partBytes, partSha256 } = expected
  if (partBytes === undefined || partSha256 === undefined) return [{ offset: 0, sizeBytes, sha256, last: true }]
  const count = partBytes > 0 ? Math.max(1, Math.ceil(sizeBytes / partBytes)) : 0
  if (count !== partSha256.length) {
    throw new EscrowError('FORMAT_INVALID', `expected ${count} part digests for ${sizeBytes} bytes, got ${partSha256.length}`)
  }
  return partSha256.map((digest, index) => {
    const offset = index * partBytes
    return { offset, sizeBytes: Math.min(partBytes, sizeBytes - offset), sha256: digest, last: index === count - 1 }
  })
}

/** SHA-256 in lower-case hex. */
export function sha256Hex(bytes: Uint8Array): Sha256Hex {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Pass bytes on unchanged and refuse at their end if they are not what was expected. Whoever reads must take nothing for good
 * before the end.
 *
 * @throws EscrowError `OBJECT_CORRUPT`
 */
export async function* verifiedAtEnd(
  key: ObjectKey,
  expected: ExpectedObject,
  blocks: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const block of blocks) {
    sizeBytes += block.length
    if (sizeBytes > expected.sizeBytes) break
    hash.update(block)
    yield block
  }
  requireMatch(key, expected, { sizeBytes, sha256: hash.digest('hex') })
}

/** Compare what was read with what was expected. @throws EscrowError `OBJECT_CORRUPT` */
export function requireMatch(
  key: ObjectKey,
  expected: ExpectedObject | ExpectedPart,
  got: { readonly sizeBytes: number; readonly sha256: Sha256Hex },
): void {
  if (got.sizeBytes === expected.sizeBytes && got.sha256 === expected.sha256) return
  const words =
    got.sizeBytes === expected.sizeBytes
      ? `digest ${expected.sha256}, got ${got.sha256}`
      : `${expected.sizeBytes} bytes, got ${got.sizeBytes}`
  throw new EscrowError('OBJECT_CORRUPT', `expected ${key} with ${words}`)
}
