import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { EscrowError } from '../../core/errors.js'
import { offerPieceBytes } from '../../core/limits.js'

/**
 * The body of a push as it comes, gzip'd or not, chunked or not. Whoever stops reading leaves it as it is, so that the rest can be drained.
 *
 * @throws EscrowError while iterating: `REMOTE_BROKEN` when the connection is cut; `BODY_INVALID` for broken gzip; `MEDIA_TYPE_INVALID`
 */
export async function* bodyOf(request: IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  const isGzip = encoding === 'gzip' || encoding === 'x-gzip'
  if (!isGzip && encoding !== 'identity') throw new EscrowError('MEDIA_TYPE_INVALID', 'expected a body without a content encoding, or gzip')
  const stream = isGzip ? unzipped(request) : request
  try {
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) yield bytes as Uint8Array
  } catch (error) {
    if (isGzip && request.complete) throw new EscrowError('BODY_INVALID', 'expected a whole gzip stream', { cause: error })
    throw cutOff(error)
  }
}

/**
 * Give the body of a request that sends a piece of a file to somebody. A piece that nobody wants is taken off the wire all the same: a client that
 * is still sending would see a broken connection, and never our words.
 *
 * @throws EscrowError `MEDIA_TYPE_INVALID` for any other body; what `take` throws; while iterating as `bodyOf`
 */
export async function takePiece<T>(request: IncomingMessage, take: (bytes: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
  try {
    if (request.headers['content-type'] === 'application/octet-stream') return await take(bodyOf(request))
    throw new EscrowError('MEDIA_TYPE_INVALID', 'expected a body of the type application/octet-stream')
  } finally {
    if (!request.complete) await drain(request.iterator({ destroyOnReturn: false }), offerPieceBytes)
  }
}

/**
 * Take off the wire what nobody has read, and forget it: git reads an answer only after it has sent everything, and would otherwise tell of a
 * broken connection.
 *
 * @returns true when the client has sent everything, or is gone; false when `sizeBytesMax` is reached.
 */
export async function drain(rest: AsyncIterable<Uint8Array>, sizeBytesMax: number): Promise<boolean> {
  let sizeBytes = 0
  try {
    for await (const bytes of rest) {
      sizeBytes += bytes.length
      if (sizeBytes > sizeBytesMax) return false
    }
  } catch {
    // Gone, and nothing that it sent is wanted any more.
  }
  return true
}

/** What a push fails with whose client is gone. */
export function cutOff(cause?: unknown): EscrowError {
  return new EscrowError('REMOTE_BROKEN', 'the connection was cut in the middle of the push', { cause })
}

function unzipped(request: IncomingMessage) {
  const gunzip = createGunzip()
  // A pipe does not pass a broken connection on.
  request.once('close', () => {
    if (!request.complete) gunzip.destroy(cutOff())
  })
  return request.pipe(gunzip)
}
