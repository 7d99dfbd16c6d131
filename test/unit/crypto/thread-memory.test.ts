import { expect, test } from 'vitest'
import { createCipheriv, randomBytes } from 'node:crypto'
import { BuffersInTurn, copyTo, giveBack, threadMemory } from '../../../src/crypto/thread-memory.js'

const large = 65_536

test('what is given back is gone at once', () => {
  const bytes = new Uint8Array(large).fill(7)
  const { buffer } = bytes
  giveBack(bytes)
  expect([bytes.byteLength, buffer.byteLength]).toEqual([0, 0])
  giveBack(bytes)
})

test('what a cipher gives is its own memory, which can be given back', () => {
  const cipher = createCipheriv('chacha20-poly1305', randomBytes(32), randomBytes(12), { authTagLength: 16 })
  const sealed = cipher.update(new Uint8Array(large))
  giveBack(sealed)
  expect(sealed.byteLength).toBe(0)
})

test('memory that others can see is left alone', () => {
  const whole = new Uint8Array(2 * large).fill(7)
  giveBack(whole.subarray(large))
  const seen = threadMemory(large).fill(7)
  giveBack(seen)
  const pooled = Buffer.from('x'.repeat(100))
  giveBack(pooled)
  expect([whole[0], whole[2 * large - 1], seen[large - 1]]).toEqual([7, 7, 7])
  expect(pooled.toString()).toBe('x'.repeat(100))
})

test('a gigabyte that is given back piece by piece leaves V8 nothing to collect', () => {
  const before = process.memoryUsage().arrayBuffers
  for (let piece = 0; piece < 500; piece += 1) giveBack(new Uint8Array(2 * 1024 * 1024))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
})

test('of two buffers in turn, one is its owner’s until the call after the next', () => {
  const turns = new BuffersInTurn()
  const first = turns.take(10).fill(1)
  const second = turns.take(10).fill(2)
  expect([...first, ...second]).toEqual([...Array<number>(10).fill(1), ...Array<number>(10).fill(2)])
  expect(turns.take(5).buffer).toBe(first.buffer)
})

test('bytes are copied to their place and nowhere else, also none', () => {
  const target = threadMemory(8).fill(9)
  copyTo(target, 2, Uint8Array.of(1, 2, 3))
  copyTo(target, 7, new Uint8Array(0))
  copyTo(target, 8, new Uint8Array(0))
  expect([...target]).toEqual([9, 9, 1, 2, 3, 9, 9, 9])
  expect(() => copyTo(target, 6, Uint8Array.of(1, 2, 3))).toThrow('fits')
})
