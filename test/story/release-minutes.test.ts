// Stories of releases, told as the minutes of the event would: who did what, and where the request stood afterwards.
import { expect, test } from 'vitest'
import { open } from '../doubles/proceedings.js'
import type { Proceedings } from '../doubles/proceedings.js'
import { RequestAdvanced } from '../../src/format/event.js'
import { requestFields } from '../../src/release/release-event.js'
import { replay } from '../../src/release/rules/release-request.js'
import { isTerminal } from '../../src/release/rules/release-state.js'

/** `from > to (by what)` for every event, alarms marked. */
function minutes(story: Proceedings): readonly string[] {
  return story.events.map(({ from, to, cause, alarm }) => {
    const by = {
      statement: () => (cause.kind === 'statement' ? `${cause.type.split('/')[2]} by ${cause.party}` : ''),
      clock: () => (cause.kind === 'clock' ? `clock ${cause.clock}` : ''),
      quorum: () => (cause.kind === 'quorum' ? `quorum ${cause.verdict}` : ''),
    }[cause.kind]()
    return `${from === to ? to : `${from} > ${to}`}: ${by}${alarm ? ' (alarm)' : ''}`
  })
}

test('a bankrupt vendor says nothing, three of five and legal approve, and the shares reach alpha', () => {
  const story = open()
  story.check()
  story.serve()
  story.waitOut()
  story.approve('c1')
  story.approve('c2')
  story.approve('legal1')
  story.approve('c3')
  story.waitOut()
  story.deliver('c1', 'c2', 'c3')
  story.waitOut()
  expect(minutes(story)).toEqual([
    'none > submitted: release-request by alpha',
    'submitted > admitted: formal-check by agent',
    'admitted > notice: notice-served by agent',
    'notice > approval: clock objectionBusinessDays',
    'approval: approval by c1',
    'approval: approval by c2',
    'approval: approval by legal1',
    'approval: approval by c3',
    'approval > coolingOff: quorum approved',
    'coolingOff > releasing: clock coolingOffHours',
    'releasing > released: share-release by c3',
    'released > closed: clock grantDays',
  ])
  expect(isTerminal(story.progress.state)).toBe(true)
})

test('an agent that does nothing stalls nothing: its clocks run out with an alarm, and people decide', () => {
  const story = open()
  story.waitOut()
  story.waitOut()
  story.waitOut()
  expect(minutes(story)).toEqual([
    'none > submitted: release-request by alpha',
    'submitted > admitted: clock formalCheckBusinessDays (alarm)',
    'admitted > notice: clock noticeServedBusinessDays (alarm)',
    'notice > approval: clock objectionBusinessDays',
  ])
})

test('a contrary instruction lodged in the last second of notice stops the release until the arbiter has ruled', () => {
  const story = open()
  story.check()
  story.serve()
  story.now = new Date(Date.parse(story.progress.state.name === 'notice' ? story.progress.state.until : '') - 1)
  story.object('We have paid.', ['docket'])
  expect(story.state).toBe('contested')
  story.rule('proceed')
  expect(story.state).toBe('approval')
  for (const party of ['c5', 'c4', 'legal2', 'c3']) story.approve(party)
  expect(story.state).toBe('coolingOff')
})

test('the guardian vetoes, everybody votes afresh, and nobody can veto again', () => {
  const story = open()
  story.reachCoolingOff()
  story.wait(60_000)
  story.veto()
  expect(minutes(story).slice(-2)).toEqual(['coolingOff > vetoed: veto by guardian', 'vetoed > approval: clock coolingOffHours'])
  story.wait(60_000)
  for (const party of ['c1', 'c2', 'c3']) story.approve(party)
  expect(story.state).toBe('approval')
  story.approve('legal2')
  expect(story.state).toBe('coolingOff')
  expect(() => story.veto()).toThrow(/vetoed once/)
  story.waitOut()
  expect(story.state).toBe('releasing')
})

test('a custodian takes its approval back in the cooling-off; another takes its place', () => {
  const story = open()
  story.reachCoolingOff()
  story.refuse('c2')
  expect(minutes(story).slice(-2)).toEqual(['coolingOff: refusal by c2', 'coolingOff > approval: quorum lost (alarm)'])
  story.approve('c4')
  expect(story.state).toBe('coolingOff')
})

test('a hold stops every clock, names its signer, and gives back exactly the time that was left', () => {
  const story = open()
  story.reachApproval()
  story.wait(3_600_000)
  const before = story.progress.state
  story.hold('ministry', 5)
  expect(story.progress.state).toMatchObject({ name: 'held', signer: 'ministry', reason: 'legal-hold' })
  story.waitOut()
  const after = story.progress.state
  if (before.name !== 'approval' || after.name !== 'approval') throw new Error('expected approval before and after')
  expect(Date.parse(after.until) - Date.parse(before.until)).toBe(5 * 86_400_000)
})

test('a withdrawal while shares come in leaves nothing that could be passed on', () => {
  const story = open()
  story.reachReleasing()
  story.share('c1')
  story.share('c2')
  story.withdraw()
  expect(story.state).toBe('withdrawn')
  expect(() => story.deliver('c1', 'c2', 'c3')).toThrow(/expected the request in releasing, got withdrawn/)
})

test('custodians who lose their shares freeze the request with an alarm; new ones thaw it, silence ends it', () => {
  const story = open()
  story.reachApproval()
  story.lose(['c3', 'c4', 'c5'])
  expect(story.progress.state).toMatchObject({ name: 'held', reason: 'quorum-impossible' })
  expect(story.events.at(-1)?.alarm).toBe(true)
  story.lose(['c4', 'c5'])
  expect(story.state).toBe('approval')
  story.lose(['c3', 'c4', 'c5'])
  story.waitOut()
  expect(story.progress.state).toMatchObject({ name: 'expired', reason: 'quorum-impossible' })
})

test('a quorum that is out of reach before anybody votes freezes the request at once, and its notice goes on where it stood', () => {
  const story = open()
  story.check()
  story.serve()
  const notice = story.progress.state
  story.wait(86_400_000)
  story.lose(['c3', 'c4', 'c5'])
  expect(story.progress.state).toMatchObject({ name: 'held', reason: 'quorum-impossible', resume: { name: 'notice' } })
  expect(story.events.at(-1)).toMatchObject({ from: 'notice', to: 'held', alarm: true })
  // One more loss changes nothing: the freeze has the end that it had.
  const frozen = story.progress.state
  story.wait(2 * 86_400_000)
  story.lose(['c2', 'c3', 'c4', 'c5'])
  expect(story.progress.state).toEqual(frozen)
  story.lose(['c4', 'c5'])
  const after = story.progress.state
  if (notice.name !== 'notice' || after.name !== 'notice') throw new Error('expected notice before and after')
  expect(Date.parse(after.until) - Date.parse(notice.until)).toBe(2 * 86_400_000)
  story.object('Now I am heard.')
  expect(story.state).toBe('contested')
})

test.for([[['c3', 'c4', 'c5'], 'held'] as const, [['c4', 'c5'], 'submitted'] as const, [['legal1', 'legal2'], 'held'] as const])(
  'a request that comes when %s are lost is %s from its first moment',
  ([parties, state]) => {
    const story = open(undefined, parties)
    expect(story.state).toBe(state)
    expect(story.events.map(({ to, alarm }) => [to, alarm])).toEqual([['submitted', false], ...(state === 'held' ? [['held', true]] : [])])
    expect(story.progress.unavailable).toEqual([...parties])
  },
)

test('the history of a request makes the same request again', () => {
  const story = open()
  story.reachReleasing()
  story.deliver('c1', 'c2', 'c3')
  const again = replay(story.inputs, { frame: story.frame, at: story.started, verify: story.house.verify })
  expect(again.progress).toEqual(story.progress)
  expect(again.events).toEqual(story.events)
})

test('every event of a release fits the log’s format, and a count of votes names the vote that caused it', () => {
  const story = open()
  story.reachApproval()
  for (const party of ['c1', 'c2', 'c3']) story.approve(party)
  const before = story.events.length
  const vote = story.approve('legal1')
  expect(requestFields(story.events.slice(before))).toEqual([
    { from: 'approval', to: 'approval', cause: 'statement', statement: vote },
    { from: 'approval', to: 'coolingOff', cause: 'statement', statement: vote },
  ])
  const first = { agreement: story.house.agreement.agreement, subject: story.frame.request, at: story.now.toISOString() }
  const request = { request: story.frame.request, requestDigest: story.frame.digest }
  requestFields(story.events).forEach((fields, index) => {
    const chain = { number: index + 1, previous: index === 0 ? null : 'ab'.repeat(32) }
    expect(RequestAdvanced.parse({ type: 'escrow/event/request-advanced/v1', ...first, chain, ...request, ...fields })).toMatchObject(
      fields,
    )
  })
})
