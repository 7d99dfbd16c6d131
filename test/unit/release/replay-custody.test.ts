// The dead man's switch as the log left it: what a rebuild makes of its events.
import { expect, test } from 'vitest'
import { Event, type EventOf } from '../../../src/format/event.js'
import { ReplayCustody } from '../../../src/release/rebuild/replay-custody.js'

const agreement = 'agr_abcdefghij234567abcd'
type Silence = EventOf<'silence-advanced'>
const moved = (to: Silence['to'], day: number): Event =>
  Event.parse({
    type: 'escrow/event/silence-advanced/v1',
    chain: { number: day, previous: day === 1 ? null : 'ab'.repeat(32) },
    at: `2030-01-0${day}T00:00:00.000Z`,
    agreement,
    subject: agreement,
    condition: 'silent',
    from: 'present',
    to,
    reasons: to === 'present' ? [] : ['deposits-missed'],
    until: to === 'present' ? null : `2030-02-0${day}T00:00:00.000Z`,
  })

async function replay(...events: readonly Event[]) {
  const custody = new ReplayCustody()
  for (const event of events) await custody.apply(event, () => Promise.reject(new Error('no proof here')))
  return custody.result().silences
}

test('a depositor who was being looked for is looked for at once, in the window that had begun', async () => {
  const since = '2030-01-02T00:00:00.000Z'
  const watch = { name: 'proposed', since, until: '2030-02-02T00:00:00.000Z', reasons: ['deposits-missed'] }
  expect(await replay(moved('noticed', 1), moved('proposed', 2))).toEqual([{ agreementId: agreement, watch, lookAt: new Date(since) }])
})

test('a sign of life ends it, and nothing said leaves no row', async () => {
  expect(await replay(moved('noticed', 1), moved('present', 2))).toMatchObject([{ watch: { name: 'present' } }])
  expect(await replay()).toEqual([])
})
