// Real processes, real kill -9, at every step of `escrow mirror`: then it runs again, and everything must be as if nothing had happened.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuiltEscrow } from '../doubles/built-escrow.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'
import { MirrorWalk } from './mirror-walk.js'

/** Homes in which the walk goes on at once, each taking every second step: one for each of two cores. */
const lanes = 2
let built: BuiltEscrow
let walks: readonly MirrorWalk[]

beforeAll(async () => {
  built = BuiltEscrow.build()
  walks = [await MirrorWalk.make(), await MirrorWalk.make()]
})
afterAll(async () => {
  for (const walk of walks) await walk.remove()
  built.remove()
})

/** Kill at every second step from `first` on. @returns the last step after which a process could be killed. */
async function walkFrom(first: number, walk: MirrorWalk): Promise<number> {
  for (let step = first; ; step += lanes) {
    const ended = await walk.failOnce({ name: 'kill', at: step }, () => built.crashAfter(step, ['mirror', '--home', walk.home.home]))
    if (ended.signal === null) {
      expect(ended.exitCode, ended.text).toBe(0)
      return step - lanes
    }
    expect(ended.signal).toBe('SIGKILL')
  }
}

test('a process that is killed right after any of its changes is finished by the next one', async () => {
  const last = await Promise.all(walks.map((walk, lane) => walkFrom(lane + 1, walk)))
  // Two replicas take the deposit's objects, its event, its receipt and the files of the log, with transactions between them.
  expect(Math.max(...last)).toBeGreaterThan(40)
  for (const walk of walks) await walk.expectRestorable()
}, 900_000)

test('a process that is killed at any moment is finished by the next one', async () => {
  const entropy = new SeededEntropy('moments of death')
  const kill = async (walk: MirrorWalk, at: number) => {
    const delayMs = 200 + 10 * (entropy.bytes(1)[0] ?? 0)
    await walk.failOnce({ name: `after ${delayMs} ms`, at }, () => built.killAfter(delayMs, ['mirror', '--home', walk.home.home]))
  }
  for (let at = 1; at <= 4; at += 1) await Promise.all(walks.map((walk) => kill(walk, at)))
  for (const walk of walks) await walk.expectRestorable()
}, 300_000)
