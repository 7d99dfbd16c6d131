// Clients of the HTTP service, each asking for the next thing as soon as it has the last. On bare sockets: this program shares the machine with what it
// measures, and Node's own client takes half as much of a processor for a request as the service does.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { monotonicMs } from '../../src/core/environment.js'
import { answer, childInput } from './usage.js'

/** What to ask for, and of whom: the clients are split evenly between the services. */
export interface LoadWish {
  readonly urls: readonly string[]
  readonly token: string
  readonly paths: readonly string[]
  readonly clients: number
  readonly requests: number
}

/** What this child says. */
export interface Loaded {
  readonly wallMs: number
  /** In the order in which they were answered. */
  readonly latenciesMs: readonly number[]
}

const wish = childInput<LoadWish>()
const latenciesMs: number[] = []
let next = 0

/** Wait until one whole answer has come. @throws Error unless it is a 200 with a body of the length that it says */
async function wholeAnswer(socket: Socket): Promise<void> {
  let text = ''
  for (;;) {
    const [block] = (await once(socket, 'data')) as [Buffer]
    // One byte, one letter: lengths are counted in bytes.
    text += block.toString('latin1')
    const bodyAt = text.indexOf('\r\n\r\n') + 4
    if (bodyAt < 4) continue
    const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, bodyAt)) ?? []
    if (!text.startsWith('HTTP/1.1 200 ') || length === undefined)
      throw new Error(`expected 200 and a length, got ${text.slice(0, bodyAt)}`)
    if (text.length > bodyAt + Number(length)) throw new Error('expected one answer for one request')
    if (text.length === bodyAt + Number(length)) return
  }
}

async function client(_: unknown, index: number): Promise<void> {
  const { hostname, port, host } = new URL(wish.urls[index % wish.urls.length] ?? '')
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  await once(socket, 'connect')
  let asking = true
  socket.once('close', () => {
    if (asking) throw new Error('expected an answer, the service hung up')
  })
  while (next < wish.requests) {
    const path = wish.paths[next % wish.paths.length] ?? '/'
    next += 1
    const startedMs = monotonicMs()
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${wish.token}\r\nAccept: application/json\r\n\r\n`)
    await wholeAnswer(socket)
    latenciesMs.push(monotonicMs() - startedMs)
  }
  asking = false
  socket.end()
}

const startedMs = monotonicMs()
await Promise.all(Array.from({ length: wish.clients }, client))
answer({ wallMs: monotonicMs() - startedMs, latenciesMs } satisfies Loaded)
