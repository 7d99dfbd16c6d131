// Every write of `escrow mirror` fails, and the next run must put everything right. Two runs for each of some 40 writes,
// and two ways to fail: about two minutes on a core of its own.
// What a process leaves that dies between two writes, `crash-walk.slow.test.ts` shows with real ones.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FailingMirror } from './failing-mirror.js'

let mirror: FailingMirror

// Each way in a home of its own: what a run costs grows with what the archive holds.
beforeEach(async () => {
  mirror = await FailingMirror.make()
}, 600_000)
afterEach(() => mirror.remove())

test.for(['answer lost', 'not stored'] as const)(
  'every write fails (%s), and the next run leaves exactly one deposit for each change',
  { timeout: 1_800_000 },
  async (fault) => {
    expect(await mirror.failEach(fault)).toBeGreaterThan(30)
    await mirror.walk.expectRestorable()
  },
)
