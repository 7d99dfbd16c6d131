import { createHmac } from 'node:crypto'
import { x25519 } from '@noble/curves/ed25519.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { decodeBech32 } from './bech32.js'
import { openWithFileKey } from './envelope-payload.js'
import { parseHeader, splitEnvelope, type EnvelopeHeader, type Stanza } from './envelope-header.js'
import type { SealedHeader } from './seal-envelope.js'
import { decryptFileKey } from './x25519.js'

/**
 * The check of the seal (DESIGN section 4, step 5), without any identity: was this header made for these recipients, so that their
 * identities will open it on the day of release?
 *
 * It goes another way than `seal-envelope.ts` on purpose: @noble/curves instead of OpenSSL for X25519, HKDF spelled out in HMACs,
 * decryption instead of encryption. The same mistake would have to be made twice to pass.
 */

/** Without the header itself for those who never saw it: what a disclosure says. */
type SealSecrets = Pick<SealedHeader, 'fileKey' | 'ephemeralScalars' | 'recipients'> & Partial<Pick<SealedHeader, 'header'>>

/**
 * State that a header, as read back from the store, is the one sealed to exactly these recipients in this order.
 *
 * @throws EscrowError `SEAL_BROKEN`
 */
export function checkSealedHeader(header: Uint8Array, secrets: SealSecrets): void {
  const parsed = parseOwnHeader(header)
  if (parsed.stanzas.length !== secrets.recipients.length) {
    throw broken(`expected ${secrets.recipients.length} stanzas, got ${parsed.stanzas.length}`)
  }
  for (const [index, stanza] of parsed.stanzas.entries()) {
    const recipient = decodeBech32('age', secrets.recipients[index] ?? '')
    const scalar = secrets.ephemeralScalars[index]
    if (recipient === null || scalar === undefined || !stanzaOpens(stanza, { recipient, scalar, fileKey: secrets.fileKey })) {
      throw broken(`the stanza of recipient ${index + 1} does not carry the file key for it`)
    }
  }
  const macKey = hkdf(secrets.fileKey, new Uint8Array(32), 'header')
  if (!hmac(macKey, parsed.macInput).equals(parsed.mac)) throw broken('the header has another MAC')
  if (secrets.header !== undefined && !Buffer.from(secrets.header).equals(header)) throw broken('the header has other bytes')
}

function parseOwnHeader(header: Uint8Array): EnvelopeHeader {
  try {
    return parseHeader(header)
  } catch (error) {
    throw new EscrowError('SEAL_BROKEN', 'expected the header that was sealed, got none', { cause: error })
  }
}

function stanzaOpens(
  stanza: Stanza,
  secrets: { readonly recipient: Uint8Array; readonly scalar: Uint8Array; readonly fileKey: Uint8Array },
): boolean {
  const share = Buffer.from(x25519.getPublicKey(secrets.scalar))
  const [type, encoded, ...more] = stanza.args
  if (type !== 'X25519' || encoded !== share.toString('base64').slice(0, 43) || more.length > 0 || stanza.body.byteLength !== 32)
    return false
  const secret = x25519.getSharedSecret(secrets.scalar, secrets.recipient)
  const key = hkdf(secret, Buffer.concat([share, secrets.recipient]), 'age-encryption.org/v1/X25519')
  const fileKey = decryptFileKey(key, stanza.body)
  return fileKey !== null && Buffer.from(fileKey).equals(secrets.fileKey)
}

function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac('sha256', key).update(message).digest()
}

/** RFC 5869 for 32 bytes of output: one extract, one expand. */
function hkdf(secret: Uint8Array, salt: Uint8Array, label: string): Buffer {
  return hmac(hmac(salt, secret), Buffer.concat([Buffer.from(label), Uint8Array.of(1)]))
}

/**
 * The plaintext of a sealed file as read back from the store, its header checked first. The caller compares the digest of what this
 * yields with the digest of what was sealed.
 *
 * @param source - the whole envelope.
 * @param options.transient - each block is done with when the one after the next is asked for.
 * @throws EscrowError `SEAL_BROKEN` when header or payload are not as sealed; faults of the source pass through.
 */
export async function* reopenSealed(
  source: AsyncIterable<Uint8Array>,
  secrets: SealSecrets,
  options: { readonly transient?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  try {
    const { header, payload } = await splitEnvelope(source)
    try {
      checkSealedHeader(header, secrets)
      yield* openWithFileKey(payload, secrets.fileKey, options)
    } finally {
      await payload.return?.()
    }
  } catch (error) {
    if (isEscrowError(error, 'ENVELOPE_HEADER') || isEscrowError(error, 'ENVELOPE_PAYLOAD')) {
      throw new EscrowError('SEAL_BROKEN', 'the sealed file does not open with the key it was sealed with', { cause: error })
    }
    throw error
  }
}

function broken(how: string): EscrowError {
  return new EscrowError('SEAL_BROKEN', how)
}
