import type { IncomingMessage } from 'node:http'
import { EscrowError } from '../core/errors.js'
import { httpBodyTimeoutMs } from '../core/http-limits.js'
import type { BodyRule } from './body-rule.js'

/**
 * The body of a request, as one piece. Read only after the guard has let the sender in: strangers cannot fill our memory.
 *
 * @param timeoutMs - for all of it: who sends a byte a minute does not hold a connection for hours.
 * @throws EscrowError `MEDIA_TYPE_INVALID`, `BODY_TOO_LARGE`, `REQUEST_TIMEOUT`
 */
export async function readBody(request: IncomingMessage, rule: BodyRule, timeoutMs: number = httpBodyTimeoutMs): Promise<Uint8Array> {
  requireMediaType(request, rule)
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > rule.bytesMax) throw tooLarge(rule)
  const timer = setTimeout(() => request.destroy(new SlowBody()), timeoutMs)
  try {
    const blocks: Buffer[] = []
    let sizeBytes = 0
    for await (const block of request as AsyncIterable<Buffer>) {
      sizeBytes += block.length
      if (sizeBytes > rule.bytesMax) throw tooLarge(rule)
      blocks.push(block)
    }
    return Buffer.concat(blocks)
  } catch (error) {
    if (error instanceof EscrowError) throw error
    throw new EscrowError('REQUEST_TIMEOUT', 'expected the whole body of the request, got a part of it', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

class SlowBody extends Error {}

function requireMediaType(request: IncomingMessage, { mediaType }: BodyRule): void {
  const [given = ''] = (request.headers['content-type'] ?? '').split(';', 1)
  if (given.trim().toLowerCase() !== mediaType) {
    throw new EscrowError('MEDIA_TYPE_INVALID', `expected a body of the type ${mediaType}`)
  }
  // A few kilobytes can stand for gigabytes.
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new EscrowError('MEDIA_TYPE_INVALID', 'expected a body without a content encoding')
  }
}

function tooLarge({ bytesMax }: BodyRule): EscrowError {
  return new EscrowError('BODY_TOO_LARGE', `expected a body of at most ${bytesMax} bytes, got more`)
}
