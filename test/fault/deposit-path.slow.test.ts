// Every write of `escrow mirror` fails in every way, and the next run must put everything right.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeFaults } from '../doubles/failing-writes.js'
import { FailingMirror } from './failing-mirror.js'

let mirror: FailingMirror

beforeAll(async () => {
  mirror = await FailingMirror.make()
})
afterAll(() => mirror.remove())

test.for(writeFaults)('every write fails (%s), and the next run leaves exactly one deposit for each change', async (fault) => {
  expect(await mirror.failEach(fault)).toBeGreaterThan(15)
  await mirror.walk.expectRestorable()
})
