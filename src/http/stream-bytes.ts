import { once } from 'node:events'
import type { Response } from 'express'

/** A stored object, or a piece of one, on its way out. */
export interface OutgoingBytes {
  /** Of the whole: its entity tag. */
  readonly sha256: string
  /** Of the whole. */
  readonly sizeBytes: number
  readonly offset: number
  readonly bodyBytes: number
  readonly body: AsyncIterable<Uint8Array>
}

/** Aborted when the client goes away, so that nobody reads on for it. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

/**
 * Answer with 304 when the client has these bytes (`If-None-Match`).
 *
 * @returns whether it was answered; if so, `body` is not to be read.
 */
export function answerUnchanged(response: Response, { sha256 }: Pick<OutgoingBytes, 'sha256'>): boolean {
  response.setHeader('etag', tagOf(sha256))
  if (response.req.fresh) response.status(304).end()
  // What is refused instead has another.
  else response.removeHeader('etag')
  return response.writableEnded
}

/**
 * Send bytes as they are read; a slow client slows the reading, one that goes away ends it.
 *
 * @param ranged - answer with 206.
 * @throws what reading throws; after the first byte the connection is to be cut, so that a client cannot take a part for the whole.
 */
export async function streamBytes(
  response: Response,
  bytes: OutgoingBytes,
  how: { readonly ranged: boolean; readonly gone: AbortSignal },
): Promise<void> {
  try {
    let begun = false
    for await (const block of bytes.body) {
      // Headers go out with the first block: until then a refusal can still be told.
      if (!begun) writeHeaders(response, bytes, how.ranged)
      begun = true
      // Nobody is sent these bytes: they are neither read on nor counted.
      if (response.req.method === 'HEAD') break
      if (!response.write(block)) await once(response, 'drain', { signal: how.gone })
    }
    if (!begun) writeHeaders(response, bytes, how.ranged)
    response.end()
  } catch (error) {
    if (!how.gone.aborted) throw error
  }
}

function writeHeaders(response: Response, { sha256, sizeBytes, offset, bodyBytes }: OutgoingBytes, ranged: boolean): void {
  response.writeHead(ranged ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': bodyBytes,
    'accept-ranges': 'bytes',
    etag: tagOf(sha256),
    ...(ranged ? { 'content-range': `bytes ${offset}-${offset + bodyBytes - 1}/${sizeBytes}` } : {}),
  })
}

function tagOf(sha256: string): string {
  return `"${sha256}"`
}
