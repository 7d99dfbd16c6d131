import { expect, test } from 'vitest'
import { readAhead } from '../../../src/format/read-ahead.js'

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const given: T[] = []
  for await (const item of items) given.push(item)
  return given
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

test.for([0, 1, 15, 16, 17, 100])('%i things come in their order, however long each takes', async (count) => {
  const later = (at: number) => new Promise<number>((resolve) => setTimeout(() => resolve(at), (at * 7) % 5))
  expect(await all(readAhead(numbers(count), later))).toEqual(numbers(count))
})

test('never more than sixteen are asked for at once', async () => {
  let [open, most] = [0, 0]
  const ask = async (at: number) => {
    most = Math.max(most, (open += 1))
    await new Promise((resolve) => setImmediate(resolve))
    open -= 1
    return at
  }
  await all(readAhead(numbers(50), ask))
  expect(most).toBe(16)
})

test('what throws does so in its turn, and what was asked for after it does no harm', async () => {
  const seen: number[] = []
  const ask = async (at: number) => {
    if (at >= 3) throw new Error(`number ${at}`)
    return at
  }
  const reading = async () => {
    for await (const at of readAhead(numbers(20), ask)) seen.push(at)
  }
  await expect(reading()).rejects.toThrow('number 3')
  expect(seen).toEqual([0, 1, 2])
})
