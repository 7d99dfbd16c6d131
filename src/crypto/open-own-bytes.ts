import { EscrowError } from '../core/errors.js'
import { inventoryBytesMax } from '../core/limits.js'
import { decodeBase64Unpadded } from './base64.js'
import { PayloadOpener } from './envelope-payload.js'
import { envelopeHeaderSize, parseHeader, verifyHeaderMac, type EnvelopeHeader } from './envelope-header.js'
import { parseIdentity } from './recipient.js'
import { decryptFileKey, wrapKey, x25519PublicKey, x25519Agreement } from './x25519.js'

/**
 * Opens small envelopes with an identity of one's own. In the service this is for one thing only: the inventories and annexes that
 * are sealed to the agent itself (DESIGN section 4, "Manifest"). No vault identity ever exists there; holders open deposits with
 * `holder/open-envelope.ts`.
 */

/**
 * The plaintext of an envelope in memory.
 *
 * @param envelope - attacker-controlled, at most `inventoryBytesMax` and a little.
 * @throws EscrowError `ENVELOPE_HEADER`, `ENVELOPE_PAYLOAD`, `ENVELOPE_RECIPIENT` when it is sealed to others, `KEY_INVALID`
 */
export function openOwnBytes(envelope: Uint8Array, identity: string): Uint8Array {
  // The cap leaves room for the header and one tag per chunk.
  const sizeMax = inventoryBytesMax + inventoryBytesMax / 1024
  if (envelope.byteLength > sizeMax) {
    throw new EscrowError('ENVELOPE_PAYLOAD', `expected at most ${sizeMax} bytes, got ${envelope.byteLength}`)
  }
  const size = envelopeHeaderSize(envelope)
  if (size === null) throw new EscrowError('ENVELOPE_HEADER', 'expected a complete age header')
  const fileKey = fileKeyOf(parseHeader(envelope.subarray(0, size)), [identity])
  const opener = new PayloadOpener(fileKey)
  fileKey.fill(0)
  return Buffer.concat([opener.push(envelope.subarray(size)), opener.end()])
}

/**
 * The file key of a header whose MAC it verifies.
 *
 * @param identities - tried in order; the caller keeps them.
 * @returns 16 bytes; the caller wipes them.
 * @throws EscrowError `ENVELOPE_RECIPIENT` when no stanza is for these identities; `ENVELOPE_HEADER`; `KEY_INVALID`
 */
export function fileKeyOf(header: EnvelopeHeader, identities: readonly string[]): Uint8Array {
  const stanzas = x25519Stanzas(header)
  for (const identity of identities) {
    const scalar = parseIdentity(identity)
    try {
      for (const stanza of stanzas) {
        const fileKey = unwrap(stanza, scalar)
        if (fileKey === null) continue
        verifyHeaderMac(header, fileKey)
        return fileKey
      }
    } finally {
      scalar.fill(0)
    }
  }
  throw new EscrowError('ENVELOPE_RECIPIENT', `expected an envelope sealed to the given key, got ${stanzas.length} other X25519 recipients`)
}

interface X25519Stanza {
  readonly share: Uint8Array
  readonly body: Uint8Array
}

/** The X25519 stanzas, strictly checked; other types are somebody else's and passed over, as the specification demands. */
function x25519Stanzas(header: EnvelopeHeader): readonly X25519Stanza[] {
  if (header.stanzas.some((stanza) => stanza.args[0] === 'scrypt')) {
    throw new EscrowError('ENVELOPE_HEADER', 'expected an envelope to recipients, got one to a passphrase')
  }
  const own = header.stanzas.filter((stanza) => stanza.args[0] === 'X25519')
  return own.map(({ args: [, encoded = '', ...more], body }) => {
    const share = decodeBase64Unpadded(encoded)
    if (share?.byteLength !== 32 || more.length > 0 || body.byteLength !== 32) {
      throw new EscrowError('ENVELOPE_HEADER', 'expected an X25519 stanza with one share and a body of 32 bytes each')
    }
    return { share, body }
  })
}

function unwrap(stanza: X25519Stanza, scalar: Uint8Array): Uint8Array | null {
  const secret = x25519Agreement(scalar, stanza.share)
  if (secret === null) throw new EscrowError('ENVELOPE_HEADER', 'expected an ephemeral share of large order')
  const key = wrapKey({ secret, share: stanza.share, recipient: x25519PublicKey(scalar) })
  const fileKey = decryptFileKey(key, stanza.body)
  secret.fill(0)
  key.fill(0)
  return fileKey
}
