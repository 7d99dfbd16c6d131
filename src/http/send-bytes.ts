import type { Response } from 'express'

/**
 * Answer with bytes. Express adds a strong ETag over them, and answers 304 to who has them.
 *
 * @param forEver - what lies there never changes, and anybody may have it.
 */
export function sendBytes(response: Response, mediaType: string, bytes: Uint8Array, forEver = false): void {
  if (forEver) response.setHeader('cache-control', 'public, max-age=31536000, immutable')
  response.setHeader('content-type', mediaType)
  response.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
