/** The witness on HTTP: two paths, bounded bodies, short patience. Put a reverse proxy in front of it for TLS. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isEscrowError } from '../core/errors.js'
import { witnessTimeoutMs } from '../core/limits.js'
import { addCheckpointBytesMax } from '../format/add-checkpoint.js'
import { originHash } from './witness-memory.js'
import type { Witness } from './witness.js'

/** A listening witness. */
export interface WitnessServer {
  /** Where it listens, as `http://host:port`. */
  readonly url: string
  /** Stop listening and wait for requests under way. */
  close(): Promise<void>
}

/** What happened, for the operator's eyes: facts, never the words of a stranger. */
export type ReportRequest = (line: string) => void

const checkpointPath = /^\/([0-9a-f]{64})\/checkpoint$/

/**
 * Serve a witness.
 *
 * @param place.port - 0 for any free one.
 * @throws what listening throws, when the port is taken or not allowed.
 */
export async function serveWitness(
  witness: Witness,
  place: { readonly host: string; readonly port: number },
  report: ReportRequest,
): Promise<WitnessServer> {
  const server = createServer((request, response) => {
    void answer(witness, request, response, report)
  })
  server.requestTimeout = witnessTimeoutMs
  server.headersTimeout = witnessTimeoutMs
  server.maxConnections = 200
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(place.port, place.host, resolve)
  })
  const { address, port, family } = server.address() as AddressInfo
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`, close: () => close(server) }
}

async function answer(witness: Witness, request: IncomingMessage, response: ServerResponse, report: ReportRequest): Promise<void> {
  try {
    await route(witness, request, response, report)
  } catch (error) {
    // A broken connection is the stranger's affair; a fault of ours is the operator's, and the stranger hears no more than that.
    report(
      isEscrowError(error) ? `fault ${error.code}: ${error.message}` : 'fault: the connection broke or the request could not be answered',
    )
    if (!response.headersSent) reply(response, 500, 'the witness cannot answer now\n')
    else response.destroy()
  }
}

async function route(witness: Witness, request: IncomingMessage, response: ServerResponse, report: ReportRequest): Promise<void> {
  const path = request.url ?? ''
  if (path === '/add-checkpoint') {
    if (request.method !== 'POST') return reply(response, 405, 'expected POST\n')
    const body = await readBody(request)
    if (body === null) return reply(response, 413, 'the request is too long\n')
    const { status, body: text, contentType, fork } = await witness.addCheckpoint(body)
    const alarm = fork && `: FORK: ${fork.origin} has signed two trees of ${fork.size} leaves. Both are kept in evidence/; tell every party`
    report(`add-checkpoint ${status}${alarm ?? ''}`)
    return reply(response, status, text, contentType)
  }
  const hash = checkpointPath.exec(path)?.[1]
  if (hash === undefined) return reply(response, 404, 'not found\n')
  if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'expected GET\n')
  const checkpoint = await witness.latest(hash, originHash)
  if (checkpoint === null) return reply(response, 404, 'not seen\n')
  return reply(response, 200, Buffer.from(checkpoint))
}

/** @returns null when it is longer than any request. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | null> {
  const blocks: Buffer[] = []
  let sizeBytes = 0
  for await (const block of request as AsyncIterable<Buffer>) {
    sizeBytes += block.length
    if (sizeBytes > addCheckpointBytesMax) return null
    blocks.push(block)
  }
  return Buffer.concat(blocks)
}

function reply(response: ServerResponse, status: number, body: string | Buffer, contentType = 'text/plain; charset=utf-8'): void {
  // After a body that was not read to its end the connection cannot be used again.
  const connection = status === 413 ? { connection: 'close' } : {}
  response.writeHead(status, {
    'content-type': contentType,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...connection,
  })
  response.end(body)
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}
