import { fileKeyOf, openOwnBytes } from '../open-own-bytes.js'
import { openWithFileKey } from '../envelope-payload.js'
import { parseHeader, splitEnvelope } from '../envelope-header.js'

/**
 * Opens age files for their holders: deposits, shares, inventories. Touches plaintext secrets, so only the command line of parties
 * and tests may import it (HOUSE_STYLE section 2).
 *
 * Trusts nothing in the file: the header is capped at 64 KiB before it is parsed, its MAC is verified, every chunk is authentic
 * before it is passed on.
 */

/**
 * The plaintext of an envelope, as it is read.
 *
 * @param source - attacker-controlled; closed when this ends, in whatever way.
 * @param identities - native X25519 identities (`AGE-SECRET-KEY-1...`), tried in order.
 * @throws EscrowError `ENVELOPE_HEADER`, `ENVELOPE_RECIPIENT`, `KEY_INVALID` before anything is yielded; `ENVELOPE_PAYLOAD` later:
 * what was yielded is then authentic but not complete, and must be thrown away.
 */
export async function* openEnvelope(source: AsyncIterable<Uint8Array>, identities: readonly string[]): AsyncGenerator<Uint8Array> {
  const { header, payload } = await splitEnvelope(source)
  try {
    const fileKey = fileKeyOf(parseHeader(header), identities)
    try {
      yield* openWithFileKey(payload, fileKey)
    } finally {
      fileKey.fill(0)
    }
  } finally {
    await payload.return?.()
  }
}

/**
 * The plaintext of a small envelope in memory: a share, an inventory.
 *
 * @throws EscrowError `ENVELOPE_HEADER`, `ENVELOPE_PAYLOAD`, `ENVELOPE_RECIPIENT`, `KEY_INVALID`
 */
export function openBytes(envelope: Uint8Array, identity: string): Uint8Array {
  return openOwnBytes(envelope, identity)
}
