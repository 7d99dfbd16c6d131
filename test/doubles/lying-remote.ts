import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { GitHttpServer } from './git-http-server.js'

/** What a lying remote says that it has, and what it sends. */
export interface Lie {
  /** Lines of `ls-refs`: object id, space, name. */
  readonly refs: readonly string[]
  /** Sent for a pack, whatever was asked for. */
  readonly pack: Uint8Array
  /** Sent on the error band in the place of the pack's end. */
  readonly words?: string
}

/** Let a git server tell lies about refs and pack until its next `reset`; capabilities still come from git. */
export function lie(server: GitHttpServer, told: Lie): void {
  server.faults.answer = (request, response) => {
    if (request.method !== 'POST') return false
    void answer(request, response, told)
    return true
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, told: Lie): Promise<void> {
  const asked = (await buffer(request)).toString('latin1')
  response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' })
  if (asked.includes('command=ls-refs')) response.end(Buffer.concat([...told.refs.map((line) => packet(`${line}\n`)), flush]))
  else response.end(Buffer.concat([packet('packfile\n'), ...bands(told), flush]))
}

function* bands({ pack, words }: Lie): Generator<Buffer> {
  const mostBytes = 60_000
  for (let at = 0; at < pack.length; at += mostBytes) yield packet(Buffer.concat([Buffer.of(1), pack.subarray(at, at + mostBytes)]))
  if (words !== undefined) yield packet(Buffer.concat([Buffer.of(3), Buffer.from(words)]))
}

const flush = Buffer.from('0000')

function packet(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
}
