import type { Entropy } from '../core/environment.js'
import { EscrowError, assert } from '../core/errors.js'
import { envelopeRecipientsMax } from '../core/limits.js'
import { encodeBase64Unpadded } from './base64.js'
import { encodeHeader, type Stanza } from './envelope-header.js'
import { PayloadSealer, sealPayload, sealedPayloadBytes } from './envelope-payload.js'
import { parseRecipient } from './recipient.js'
import { encryptFileKey, wrapKey, x25519PublicKey, x25519Agreement } from './x25519.js'

/**
 * Makes age v1 files (c2sp.org/age) for X25519 recipients. We make the header ourselves, and not with typage, because the check of
 * the seal needs the ephemeral scalars; that typage and the age command open what we make, and we what they make, is tested.
 */

const fileKeyBytes = 16
const scalarBytes = 32
const payloadNonceBytes = 16

/** A header and, until `wipe`, the secrets it was made with: enough to check the seal without any identity. */
export interface SealedHeader {
  /** The age header, its last newline included. */
  readonly header: Uint8Array
  /** 16 bytes. */
  readonly fileKey: Uint8Array
  /** One scalar of 32 bytes for each recipient, in order. */
  readonly ephemeralScalars: readonly Uint8Array[]
  readonly recipients: readonly string[]
  /** Overwrite all secrets; idempotent. The owner calls it as soon as the seal is checked. */
  wipe(): void
}

/**
 * A header to the given recipients, with a fresh file key.
 *
 * @param recipients - 1 to `envelopeRecipientsMax`, each once.
 * @param entropy - asked for the file key, then for each recipient's scalar.
 * @throws EscrowError `RECIPIENT_INVALID`
 */
export function sealHeader(recipients: readonly string[], entropy: Entropy): SealedHeader {
  if (recipients.length < 1 || recipients.length > envelopeRecipientsMax || new Set(recipients).size !== recipients.length) {
    throw new EscrowError('RECIPIENT_INVALID', `expected 1 to ${envelopeRecipientsMax} different recipients, got ${recipients.length}`)
  }
  const points = recipients.map(parseRecipient)
  const fileKey = entropy.bytes(fileKeyBytes)
  const ephemeralScalars = points.map(() => entropy.bytes(scalarBytes))
  const stanzas = points.map((point, index) => {
    const scalar = ephemeralScalars[index]
    assert(scalar !== undefined, 'one scalar for each recipient')
    return x25519Stanza(point, scalar, fileKey)
  })
  const wipe = () => [fileKey, ...ephemeralScalars].forEach((secret) => secret.fill(0))
  return { header: encodeHeader(stanzas, fileKey), fileKey, ephemeralScalars, recipients: [...recipients], wipe }
}

function x25519Stanza(recipient: Uint8Array, scalar: Uint8Array, fileKey: Uint8Array): Stanza {
  const share = x25519PublicKey(scalar)
  const secret = x25519Agreement(scalar, recipient)
  if (secret === null) throw new EscrowError('RECIPIENT_INVALID', 'expected a recipient of large order')
  const key = wrapKey({ secret, share, recipient })
  const stanza = { args: ['X25519', encodeBase64Unpadded(share)], body: encryptFileKey(key, fileKey) }
  secret.fill(0)
  key.fill(0)
  return stanza
}

/**
 * A whole envelope for a plaintext that is pulled as the envelope is read: the header, then the payload. The yielded arrays belong
 * to the reader.
 *
 * @param sealed - its owner wipes it, after the check of the seal. One header seals one payload.
 */
export async function* sealStream(
  plaintext: AsyncIterable<Uint8Array>,
  sealed: SealedHeader,
  entropy: Entropy,
): AsyncGenerator<Uint8Array> {
  yield sealed.header
  yield* sealPayload(plaintext, { fileKey: sealed.fileKey, nonce: entropy.bytes(payloadNonceBytes) })
}

/**
 * A small plaintext as a whole envelope: inventories, annexes, shares.
 *
 * @throws EscrowError `RECIPIENT_INVALID`
 */
export function sealBytes(plaintext: Uint8Array, recipients: readonly string[], entropy: Entropy): Uint8Array {
  const sealed = sealHeader(recipients, entropy)
  const nonce = entropy.bytes(payloadNonceBytes)
  const sealer = new PayloadSealer(sealed.fileKey, nonce)
  const envelope = Buffer.concat([sealed.header, nonce, sealer.push(plaintext), sealer.end()])
  sealed.wipe()
  return envelope
}

/** Size of the envelope that a header and a plaintext of a known size will give. */
export function sealedBytes(sealed: Pick<SealedHeader, 'header'>, plainBytes: number): number {
  return sealed.header.byteLength + sealedPayloadBytes(plainBytes)
}
