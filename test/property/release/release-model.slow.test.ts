import { expect, test } from 'vitest'
import { playHistories } from './release-model.js'

test('ten thousand histories break no invariant', () => {
  expect(playHistories(10_000).get('released')).toBeGreaterThan(100)
})
