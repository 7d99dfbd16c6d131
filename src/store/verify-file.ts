import { EscrowError, isEscrowError } from '../core/errors.js'
import { partBytes } from '../core/limits.js'
import { PartsDigester } from '../crypto/digest.js'
import type { ExpectedObject } from './expected-object.js'
import type { ObjectKey } from './object-key.js'
import type { ObjectStore } from './object-store.js'

/**
 * Read an object to its end and compare size, digest and, where they are known, the digests of its parts.
 *
 * @param onBytes - hears how many bytes each block had.
 * @returns what is wrong with it, or null: `OBJECT_MISSING`, or `DIGEST_MISMATCH` naming the first part that differs.
 * @throws EscrowError `STORE_*`; the signal's reason
 */
export async function verifyFile(
  store: ObjectStore,
  file: { readonly key: ObjectKey; readonly expected: ExpectedObject; readonly onBytes?: (bytes: number) => void },
  signal?: AbortSignal,
): Promise<EscrowError | null> {
  const { key, expected } = file
  const digester = new PartsDigester(expected.partBytes ?? partBytes)
  let sizeBytes = 0
  try {
    for await (const block of store.get(key, {}, signal)) {
      sizeBytes += block.length
      if (sizeBytes > expected.sizeBytes) break
      digester.update(block)
      file.onBytes?.(block.length)
    }
  } catch (error) {
    if (isEscrowError(error, 'OBJECT_MISSING') || isEscrowError(error, 'OBJECT_CORRUPT')) return error
    throw error
  }
  if (sizeBytes !== expected.sizeBytes) {
    const got = sizeBytes > expected.sizeBytes ? 'more' : String(sizeBytes)
    return new EscrowError('DIGEST_MISMATCH', `expected ${key} to have ${expected.sizeBytes} bytes, got ${got}`)
  }
  const found = digester.finish()
  const wrongPart = expected.partSha256?.findIndex((digest, part) => digest !== found.partSha256[part]) ?? -1
  if (wrongPart !== -1)
    return new EscrowError(
      'DIGEST_MISMATCH',
      `expected part ${wrongPart + 1} of ${key} with digest ${expected.partSha256?.[wrongPart]}, got ${found.partSha256[wrongPart] ?? 'none'}`,
    )
  if (found.sha256 === expected.sha256) return null
  return new EscrowError('DIGEST_MISMATCH', `expected ${key} with digest ${expected.sha256}, got ${found.sha256}`)
}
