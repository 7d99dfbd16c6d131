// Writes of `escrow mirror` fail, and the next run must put everything right: nothing lost, nothing twice, nothing half-visible.
// Some here, in the most treacherous way; each of them in every way in `deposit-path.slow.test.ts`, with real processes in `crash-walk.slow.test.ts`.
import { afterAll, beforeAll, test } from 'vitest'
import { FailingMirror } from './failing-mirror.js'

let mirror: FailingMirror

beforeAll(async () => {
  mirror = await FailingMirror.make()
})
afterAll(() => mirror.remove())

test('a write is done but its answer lost, and the next run leaves exactly one deposit for each change', async () => {
  await mirror.failSome('answer lost', 5)
  await mirror.walk.expectRestorable()
})
