import { expect, test } from 'vitest'
import { epochsAtArming, epochToArm } from '../../../src/escrow/agreement/amended-rows.js'

test('which epoch takes deposits after shares were dealt anew', () => {
  const row = (epoch: number, state: 'armed' | 'reserve' | 'exposed' | 'burned' | 'dealt') => ({ epoch, state })
  const replaced = [row(1, 'armed'), row(2, 'reserve')]
  expect(epochToArm(replaced, [3, 4])).toBe(3)
  // A new reserve beside a sound epoch: deposits go on where they were.
  expect(epochToArm([row(1, 'burned'), row(2, 'armed')], [2, 3])).toBe(2)
  // The last epoch was exposed: the new one takes over.
  expect(epochToArm([row(1, 'burned'), row(2, 'exposed')], [2, 3])).toBe(3)
  expect(epochsAtArming([row(1, 'burned'), row(2, 'exposed'), row(3, 'dealt'), row(4, 'dealt')], 3)).toEqual([
    row(1, 'burned'),
    row(2, 'burned'),
    row(3, 'armed'),
    row(4, 'reserve'),
  ])
})
