import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { advance } from '../../../src/release/rules/release-request.js'
import { hourMs, later, monday } from '../../doubles/moments.js'
import { action, frame, History, lead, other, play, playHistories, verify, vote } from './release-model.js'

test('no history breaks an invariant, and every history ends', () => {
  const reached = playHistories(500)
  for (const name of [
    'contested',
    'approval',
    'coolingOff',
    'releasing',
    'released',
    'held',
    'rejected',
    'withdrawn',
    'expired',
    'closed',
  ]) {
    expect(reached.get(name) ?? 0, name).toBeGreaterThan(10)
  }
})

test('with every genuine voter but two, no history releases', () => {
  const few = ['c1', 'c2', 'legal1', 'legal2', 'alpha', 'beta', 'vendor', 'guardian', 'ministry', 'arbiter', 'agent']
  const colluding = action.filter((step) => {
    if (step.do === 'vote') return few.includes(step.party) || step.kind === 'refusal'
    if (step.do === 'quorum') return step.parties.every((name) => few.includes(name))
    return true
  })
  fc.assert(
    fc.property(fc.array(colluding, { minLength: 8, maxLength: 30 }), (steps) => {
      const history = new History()
      lead(history, 1)
      for (const name of ['c1', 'c2', 'legal1']) history.give({ kind: 'statement', digest: vote('approval', name, history.now, 'none') })
      for (const step of steps) play(history, step)
      expect(history.events.every((event) => event.to !== 'releasing' && event.to !== 'released')).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('another version of the agreement never governs a request under way', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 15 }), (steps) => {
      const history = new History()
      for (const step of steps) play(history, step)
      const amended = { ...frame, agreement: other.digest, terms: { ...frame.terms, clocks: { ...frame.terms.clocks, approvalHours: 1 } } }
      expect(() => advance(history.progress, { kind: 'clock' }, { frame: amended, now: later(monday, hourMs), verify })).toThrow(
        /agreement version/,
      )
    }),
    { numRuns: 50 },
  )
})
