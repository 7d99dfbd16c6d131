import { expect, test } from 'vitest'
import { tokenKeptMs, tokensKeptMax } from '../../../src/core/http-limits.js'
import { KeptTokens } from '../../../src/escrow/token/kept-tokens.js'
import type { TokenRow } from '../../../src/escrow/token/token.table.js'

const row = (tokenId: string) => ({ tokenId }) as TokenRow

function shelf() {
  const time = { ms: 0 }
  const asked: string[] = []
  const kept = new KeptTokens(() => time.ms)
  const get = (tokenId: string, found: TokenRow | null = row(tokenId)) =>
    kept.get(tokenId, async () => {
      asked.push(tokenId)
      return found
    })
  return { time, asked, kept, get }
}

test.for([
  [0, 1],
  [tokenKeptMs - 1, 1],
  [tokenKeptMs, 2],
  [tokenKeptMs + 1, 2],
])('a token that is asked for again after %i ms is read %i times', async ([later, times]) => {
  const { time, asked, get } = shelf()
  await get('a')
  time.ms += later!
  await get('a')
  expect(asked).toHaveLength(times!)
})

test('asking again does not make it last longer', async () => {
  const { time, asked, get } = shelf()
  for (; time.ms <= tokenKeptMs; time.ms += tokenKeptMs / 4) await get('a')
  expect(asked).toHaveLength(2)
})

test('those who ask at once share one question', async () => {
  const { asked, get } = shelf()
  await Promise.all([get('a'), get('a'), get('a')])
  expect(asked).toEqual(['a'])
})

test('one that is revoked here is read anew', async () => {
  const { asked, kept, get } = shelf()
  await get('a')
  kept.forget('a')
  await get('a')
  expect(asked).toHaveLength(2)
})

test('one that is not there is not kept, nor a question that failed', async () => {
  const { asked, kept, get } = shelf()
  expect([await get('a', null), await get('a', null)]).toEqual([null, null])
  expect(asked).toHaveLength(2)
  const failed = kept.get('b', () => Promise.reject(new Error('away')))
  await expect(failed).rejects.toThrow('away')
  expect(await get('b')).toEqual(row('b'))
})

test('of more tokens than are kept the oldest is read anew', async () => {
  const { asked, get } = shelf()
  for (let at = 0; at <= tokensKeptMax; at += 1) await get(`t${at}`)
  asked.length = 0
  await get('t1')
  await get('t0')
  expect(asked).toEqual(['t0'])
})
