// Bytes that lie nowhere are handed on block by block: each follower sees all of them, and nobody's block is written over while it is used.
import { expect, test } from 'vitest'
import { RelayedBytes } from '../../../src/store/relayed-bytes.js'

const never = new AbortController().signal
const block = (value: number) => Uint8Array.of(value)
/** Whether a promise is settled after everything that could settle it has had its turn. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false
  promise.then(
    () => (done = true),
    () => (done = true),
  )
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  return done
}

test('every follower sees every block, and the next is made when all are done with the last', async () => {
  const relay = new RelayedBytes()
  const [quick, slow] = [relay.follow(never), relay.follow(never)]
  const given = relay.give(block(1))
  expect((await quick.next()).value).toEqual(block(1))
  const asked = quick.next()
  expect(await settled(given)).toBe(false)
  expect((await slow.next()).value).toEqual(block(1))
  expect(await settled(given)).toBe(false)
  const last = slow.next()
  await given
  const second = relay.give(block(2))
  expect([(await asked).value, (await last).value]).toEqual([block(2), block(2)])
  relay.end()
  expect([(await quick.next()).done, (await slow.next()).done]).toEqual([true, true])
  await second
})

test('the end is told to who waits for it and to who comes to it', async () => {
  const relay = new RelayedBytes()
  const [waiting, late] = [relay.follow(never), relay.follow(never)]
  const asked = waiting.next()
  relay.end()
  relay.end()
  expect([await asked, await late.next(), await late.next()]).toEqual(Array.from({ length: 3 }, () => ({ done: true, value: undefined })))
  await expect(relay.give(block(1))).rejects.toThrow('after the end')
})

test('one that stops is waited for no more, before it began, with a block in its hands, or while it waits', async () => {
  const relay = new RelayedBytes()
  const [before, within] = [relay.follow(never), relay.follow(never)]
  await before.return?.()
  const given = relay.give(block(1))
  await within.next()
  expect(await settled(given)).toBe(false)
  await within.return?.()
  await given
  await relay.give(block(2))
})

test('a follower whose signal is aborted hears its reason, and holds up nobody', async () => {
  const relay = new RelayedBytes()
  const stop = new AbortController()
  const [stopped, other] = [relay.follow(stop.signal), relay.follow(never)]
  const asked = stopped.next()
  stop.abort(new Error('given up'))
  await expect(asked).rejects.toThrow('given up')
  await expect(stopped.next()).rejects.toThrow('given up')
  const given = relay.give(block(1))
  await other.next()
  void other.next()
  await given
})
