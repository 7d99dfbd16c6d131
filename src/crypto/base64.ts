/**
 * Strict base64: exactly one text for every byte string. Node's own decoder skips what it does not know, so two different texts
 * could carry the same signature; here whatever does not encode back to itself is refused.
 */

/**
 * Bytes of a standard, padded base64 text.
 *
 * @returns null when the text is not the one canonical encoding (alphabet, padding, trailing bits, whitespace).
 */
export function decodeBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : null
}

/**
 * Bytes of a standard base64 text without padding, as age headers carry it.
 *
 * @returns null when the text is not the one canonical encoding.
 */
export function decodeBase64Unpadded(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  return encodeBase64Unpadded(bytes) === text ? new Uint8Array(bytes) : null
}

/** Standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** Standard base64 without padding. */
export function encodeBase64Unpadded(bytes: Uint8Array): string {
  return encodeBase64(bytes).replace(/=+$/, '')
}
