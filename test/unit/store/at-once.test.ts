// Work on many things, a few at a time: the order of results, the limit, and what a failure leaves.
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { sideBySide } from '../../../src/release/side-by-side.js'
import { someAtOnce } from '../../../src/store/at-once.js'

test.for([0, 1, 3, 4, 50])('%i things give their results in order, never more than three at once', async (count) => {
  let [under, most] = [0, 0]
  const things = Array.from({ length: count }, (_, place) => place)
  const results = await someAtOnce(things, 3, async (thing) => {
    most = Math.max(most, (under += 1))
    // Later things are done sooner.
    for (let waits = 0; waits < (count - thing) % 5; waits += 1) await turn()
    under -= 1
    return thing * 2
  })
  expect(results).toEqual(things.map((thing) => thing * 2))
  expect(most).toBe(Math.min(count, 3))
})

test('the first failure is thrown when all that was begun has ended, and nothing is begun after it', async () => {
  const [begun, ended]: [number[], number[]] = [[], []]
  const work = async (thing: number) => {
    begun.push(thing)
    await turn()
    if (thing === 0) await turn()
    ended.push(thing)
    if (thing < 2) throw new Error(`thing ${thing}`)
  }
  await expect(someAtOnce([0, 1, 2, 3, 4, 5], 2, work)).rejects.toThrow('thing 0')
  expect(begun).toEqual([0, 1])
  expect(ended.toSorted((left, right) => left - right)).toEqual(begun)
})

test('subjects of one agreement are moved one after the other, of different ones side by side', async () => {
  const under = new Map<string, number>()
  const seen: string[] = []
  const subjects = ['a', 'b', 'a', 'c', 'a'].map((agreementId, place) => ({ agreementId, place }))
  const results = await sideBySide(subjects, async ({ agreementId, place }) => {
    under.set(agreementId, (under.get(agreementId) ?? 0) + 1)
    seen.push(
      [...under]
        .filter(([, count]) => count > 0)
        .map(([name]) => name)
        .join(''),
    )
    expect(under.get(agreementId)).toBe(1)
    await turn()
    under.set(agreementId, 0)
    return place
  })
  expect(results).toEqual([0, 1, 2, 3, 4])
  expect(seen).toContain('abc')
})
