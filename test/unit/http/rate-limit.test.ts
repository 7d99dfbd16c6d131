import { expect, test } from 'vitest'
import { EscrowError } from '../../../src/core/errors.js'
import { rateClientsMax } from '../../../src/core/http-limits.js'
import { RateLimit } from '../../../src/http/rate-limit.js'

function counted(limit: RateLimit, client: string): number | null {
  try {
    limit.count(client)
    return null
  } catch (error) {
    return (error as EscrowError).details['retryAfterSeconds'] as number
  }
}

test('a minute holds as many requests as are allowed, then each is refused until the bucket has filled by one', () => {
  let nowMs = 0
  const limit = new RateLimit(60, () => nowMs)
  for (let n = 0; n < 60; n += 1) expect(counted(limit, 'a')).toBeNull()
  expect(counted(limit, 'a')).toBe(1)
  expect(counted(limit, 'b')).toBeNull()
  nowMs = 999
  expect(counted(limit, 'a')).toBe(1)
  nowMs = 1000
  expect(counted(limit, 'a')).toBeNull()
  expect(counted(limit, 'a')).toBe(1)
  nowMs += 3_600_000
  for (let n = 0; n < 60; n += 1) expect(counted(limit, 'a')).toBeNull()
  expect(counted(limit, 'a')).toBe(1)
})

test('asking while refused does not lengthen the refusal', () => {
  let nowMs = 0
  const limit = new RateLimit(1, () => nowMs)
  expect(counted(limit, 'a')).toBeNull()
  for (; nowMs < 60_000; nowMs += 1000) expect(counted(limit, 'a')).toBe(60 - nowMs / 1000)
  expect(counted(limit, 'a')).toBeNull()
})

test('ever new clients do not fill the memory; the one that has been silent longest is forgotten', () => {
  const limit = new RateLimit(1, () => 0)
  for (const client of ['insistent', 'first']) expect(counted(limit, client)).toBeNull()
  for (let n = 0; n < rateClientsMax; n += 1) {
    // Who goes on asking does not win a new bucket by sending many others ahead.
    if (n % 1000 === 0) expect(counted(limit, 'insistent')).toBe(60)
    counted(limit, `client ${n}`)
  }
  expect(counted(limit, 'first')).toBeNull()
  expect(counted(limit, 'insistent')).toBe(60)
  expect(counted(limit, `client ${rateClientsMax - 1}`)).toBe(60)
})
