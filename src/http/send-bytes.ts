import type { Response } from 'express'

/**
 * Answer with bytes. Express adds a strong ETag over them, and answers 304 to who has them.
 *
 * @param kept - by caches: `private` answers are one party's; anybody may have `public` ones, and `forever` says that what lies there never
 *   changes.
 */
export function sendBytes(
  response: Response,
  mediaType: string,
  bytes: Uint8Array,
  kept: 'private' | 'public' | 'forever' = 'private',
): void {
  if (kept !== 'private')
    response.setHeader('cache-control', kept === 'public' ? 'public, no-cache' : 'public, max-age=31536000, immutable')
  response.setHeader('content-type', mediaType)
  response.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
