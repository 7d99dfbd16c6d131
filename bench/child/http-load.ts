// Clients of the HTTP service, each asking for the next thing as soon as it has the last.
import { Agent, get } from 'node:http'
import { monotonicMs } from '../../src/core/environment.js'
import { answer, childInput } from './usage.js'

/** What to ask for. */
export interface LoadWish {
  readonly url: string
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
const agent = new Agent({ keepAlive: true, maxSockets: wish.clients })
const headers = { authorization: `Bearer ${wish.token}` }

function ask(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(`${wish.url}${path}`, { agent, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`))
      response.resume().once('end', resolve).once('error', reject)
    }).once('error', reject)
  })
}

const latenciesMs: number[] = []
let next = 0

async function client(): Promise<void> {
  while (next < wish.requests) {
    const path = wish.paths[next % wish.paths.length] ?? '/'
    next += 1
    const startedMs = monotonicMs()
    await ask(path)
    latenciesMs.push(monotonicMs() - startedMs)
  }
}

const startedMs = monotonicMs()
await Promise.all(Array.from({ length: wish.clients }, client))
answer({ wallMs: monotonicMs() - startedMs, latenciesMs } satisfies Loaded)
agent.destroy()
