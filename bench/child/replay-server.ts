// What another git server answered, once more: the first answer to each request is asked for and kept, every later one comes from memory, so
// that what a poll costs is ours. Prints its origin; GET /count says how often it was asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { childInput } from './usage.js'

const { origin } = childInput<{ readonly origin: string }>()
const kept = new Map<string, Promise<{ readonly type: string; readonly body: Buffer }>>()
let asked = 0

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of request as AsyncIterable<Buffer>) blocks.push(block)
  return Buffer.concat(blocks)
}

async function ask(request: IncomingMessage, body: Buffer): Promise<{ readonly type: string; readonly body: Buffer }> {
  const { 'content-type': type, 'git-protocol': protocol } = request.headers
  const headers = { ...(type === undefined ? {} : { 'content-type': type }), 'git-protocol': String(protocol ?? '') }
  const sent = body.length === 0 ? {} : { body: new Uint8Array(body) }
  const answered = await fetch(`${origin}${request.url}`, { method: request.method ?? 'GET', headers, ...sent })
  if (!answered.ok) throw new Error(`${request.url}: ${answered.status}`)
  return { type: answered.headers.get('content-type') ?? '', body: Buffer.from(await answered.arrayBuffer()) }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  asked += 1
  const body = await bodyOf(request)
  const key = `${request.method} ${request.url} ${body.toString('latin1')}`
  const answer = kept.get(key) ?? ask(request, body)
  kept.set(key, answer)
  const { type, body: bytes } = await answer
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes)
}

const server = createServer((request, response) => {
  if (request.url === '/count') response.end(String(asked))
  else serve(request, response).catch(() => response.destroy())
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`))
