// The dead man's switch, orders against the agent, and drills: what is decided beside a release.
import { describe, expect, test } from 'vitest'
import { silenceCondition, watchSilence, type SilenceWatch, type SignsOfLife } from '../../../src/release/custody/dead-mans-switch.js'
import type { DrillSummons } from '../../../src/format/drill.js'
import { drillDigest, overdueDrills, reportApprovalDrill, reportRestoreDrill } from '../../../src/release/drill/drill.js'
import type { StatementOf } from '../../../src/format/statement.js'
import {
  advanceLegalOrder,
  legalChecklist,
  legalDueAt,
  openChecks,
  registerLegalOrder,
  type LegalAdvance,
  type LegalInput,
  type LegalProgress,
} from '../../../src/release/legal/legal-order.js'
import { parseReleasePolicy } from '../../../src/release/rules/release-policy.js'
import { sortShares } from '../../../src/release/rules/share-relay.js'
import { Consortium } from '../../doubles/consortium.js'
import { dayMs, hourMs, later, monday } from '../../doubles/moments.js'
import { open } from '../../doubles/proceedings.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

const house = new Consortium()
const policy = parseReleasePolicy(releasePart)

describe('the dead man’s switch', () => {
  const present: SilenceWatch = { name: 'present' }
  const limits = { ...policy.silence, wordDaysMax: policy.clocks.contestDaysMax }
  const silent: SignsOfLife = { depositDueAt: monday, wordAt: null, expectedFrom: monday }
  const look = (watch: SilenceWatch, days: number, signs = silent) => watchSilence(watch, signs, limits, later(monday, days * dayMs))

  test('a week after the deposit was due the depositor is told, a week later a request is proposed, and nothing more', () => {
    expect(look(present, 6.99)).toEqual({ watch: present, events: [] })
    const told = look(present, 7)
    expect(told).toMatchObject({ watch: { name: 'noticed', reasons: ['deposits-missed'] }, events: ['notice-due'] })
    expect(look(told.watch, 13.99).events).toEqual([])
    const proposed = look(told.watch, 14)
    expect(proposed).toMatchObject({ watch: { name: 'proposed' }, events: ['request-proposed'] })
    expect(look(proposed.watch, 30).events).toEqual([])
    expect(look(proposed.watch, 44)).toMatchObject({ watch: { name: 'noticed' }, events: ['proposal-lapsed'] })
  })

  test('after a year’s outage the depositor is told first and still has its whole week', () => {
    const told = look(present, 365)
    expect(told.events).toEqual(['notice-due'])
    expect(look(told.watch, 371.9).events).toEqual([])
  })

  test.for(['noticed', 'proposed'] as const)('a sign of life ends %s at once', (name) => {
    const watch = { name, since: monday.toISOString(), until: later(monday, dayMs).toISOString(), reasons: ['deposits-missed'] } as const
    expect(look(watch, 0.5, { ...silent, depositDueAt: null })).toEqual({ watch: present, events: ['sign-of-life'] })
  })

  test('a clock that goes back proposes nothing', () => {
    const told = look(present, 7)
    const back = look(told.watch, -400)
    expect(back).toMatchObject({ watch: { name: 'noticed', since: later(monday, -400 * dayMs).toISOString() }, events: [] })
    expect(look(back.watch, -393.1).events).not.toContain('request-proposed')
  })

  test('a clock that was weeks ahead for a while neither proposes early nor puts the switch out of order', () => {
    const ahead = look(present, 60)
    const right = look(ahead.watch, 8)
    expect([ahead.events, right.events]).toEqual([['notice-due'], []])
    expect(look(right.watch, 14.9).events).toEqual([])
    expect(look(right.watch, 15).events).toEqual(['request-proposed'])
  })

  test('whatever the depositor signs ends notice and proposal, and its time begins anew', () => {
    const told = look(present, 7)
    const word = { ...silent, wordAt: later(monday, 8 * dayMs) }
    expect(look(told.watch, 8, word)).toEqual({ watch: present, events: ['sign-of-life'] })
    expect(look(present, 14.9, word).events).toEqual([])
    expect(look(present, 15, word).events).toEqual(['notice-due'])
  })

  test('who only talks cannot do so for ever instead of depositing', () => {
    const days = limits.wordDaysMax + limits.noticeAfterDays
    const word = { ...silent, wordAt: later(monday, (days - 1) * dayMs) }
    expect(look(present, days - 0.1, word).events).toEqual([])
    expect(look(present, days, word).events).toEqual(['notice-due'])
  })

  test('heartbeats count only where they are agreed', () => {
    const signs = { depositDueAt: null, wordAt: monday, expectedFrom: monday }
    const agreed = { ...limits, heartbeatDays: 3 }
    expect(watchSilence(present, signs, agreed, later(monday, 3 * dayMs)).watch).toMatchObject({ reasons: ['heartbeats-missed'] })
    expect(watchSilence(present, signs, limits, later(monday, 300 * dayMs)).watch).toEqual(present)
  })

  test('only an automatic condition proposes', () => {
    expect(silenceCondition(policy)).toBe('silent')
    const manual = { ...releasePart, conditions: [{ condition: 'silent', kind: 'missed-deposits' }] }
    expect(silenceCondition(parseReleasePolicy(manual))).toBeNull()
  })
})

describe('an order against the agent', () => {
  const [calendar] = policy.calendars
  function registered(noticeForbidden: boolean, noticeForbiddenUntil: string | null = null): LegalAdvance {
    const matter = {
      kind: 'disclosure' as const,
      issuer: 'Court',
      jurisdiction: 'CH',
      reference: 'X 1',
      documents: [],
      receivedAt: monday.toISOString(),
    }
    const digest = house.sign('legal-order', 'agent', { ...matter, contestUntil: null, noticeForbidden, noticeForbiddenUntil })
    const { statement } = house.verify(digest)
    if (statement.type !== 'escrow/statement/legal-order/v1' || calendar === undefined) throw new Error('expected a legal order')
    return registerLegalOrder(digest, statement, { calendar, now: monday })
  }
  type Step = StatementOf<'legal-order-step'>['step']
  function take({ order }: LegalProgress, step: Step): LegalInput {
    const digest = house.sign('legal-order-step', 'agent', { order, step, proof: 'aa'.repeat(32) })
    const { statement } = house.verify(digest)
    if (statement.type !== 'escrow/statement/legal-order-step/v1') throw new Error('expected a step')
    return { kind: 'step', digest, statement }
  }
  const answer = { kind: 'answered', outcome: 'nothing-held' } as const

  test('parties are notified at once, and there are ten business days to contest', () => {
    const { progress, events } = registered(false)
    expect(events).toEqual(['registered', 'notify-parties'])
    expect(progress.state).toMatchObject({ until: '2026-12-07T23:00:00.000Z' })
  })

  test('where notice is forbidden, lifting the silence is asked for every month, and notice follows when it is allowed', () => {
    const { progress } = registered(true)
    expect(openChecks(progress)).not.toContain('notice')
    const month = advanceLegalOrder(progress, { kind: 'clock' }, later(monday, 30 * dayMs))
    expect(month.events).toEqual(['ask-to-lift-silence', 'answer-overdue'])
    const allowed = advanceLegalOrder(month.progress, take(progress, { kind: 'notice-allowed' }), later(monday, 31 * dayMs))
    expect(allowed.events).toContain('notify-parties')
    expect(openChecks(allowed.progress)).toContain('notice')
  })

  test('a prohibition with an end ends by itself, to the millisecond, also after the answer', () => {
    const end = later(monday, 20 * dayMs)
    let { progress } = registered(true, end.toISOString())
    for (const check of openChecks(progress))
      progress = advanceLegalOrder(progress, take(progress, { kind: 'check-done', check }), monday).progress
    progress = advanceLegalOrder(progress, take(progress, answer), monday).progress
    expect([progress.state.name, legalDueAt(progress)]).toEqual(['answered', end.toISOString()])
    expect(advanceLegalOrder(progress, { kind: 'clock' }, later(end, -1)).events).toEqual([])
    const spoken = advanceLegalOrder(progress, { kind: 'clock' }, end)
    expect([spoken.events, spoken.progress.noticeAllowed, legalDueAt(spoken.progress)]).toEqual([['notify-parties'], true, null])
    // A clock that goes back does not forbid it again.
    expect(advanceLegalOrder(spoken.progress, { kind: 'clock' }, monday).progress.noticeAllowed).toBe(true)
  })

  test('the clock alarms but never answers; answering needs the whole checklist', () => {
    let { progress } = registered(false)
    for (const days of [20, 40, 60]) progress = advanceLegalOrder(progress, { kind: 'clock' }, later(monday, days * dayMs)).progress
    expect(progress.state.name).toBe('overdue')
    const now = later(monday, 61 * dayMs)
    expect(refusal(() => advanceLegalOrder(progress, take(progress, answer), now))).toBe('ORDER_STATE')
    for (const check of legalChecklist) progress = advanceLegalOrder(progress, take(progress, { kind: 'check-done', check }), now).progress
    const given = take(progress, answer)
    progress = advanceLegalOrder(progress, given, now).progress
    expect(progress.state).toMatchObject({ name: 'answered', outcome: 'nothing-held' })
    expect(advanceLegalOrder(progress, given, now)).toEqual({ progress, events: [] })
    expect(refusal(() => advanceLegalOrder(progress, take(progress, answer), now))).toBe('ORDER_STATE')
  })

  test('a step of another order is refused', () => {
    const { progress } = registered(false)
    const foreign = take({ ...progress, order: 'bb'.repeat(32) }, answer)
    expect(refusal(() => advanceLegalOrder(progress, foreign, monday))).toBe('STATEMENT_INVALID')
  })

  test('a contest stops the clock until its own end', () => {
    const { progress } = registered(false)
    const until = later(monday, 90 * dayMs).toISOString()
    const contested = advanceLegalOrder(progress, take(progress, { kind: 'contested', until }), later(monday, dayMs))
    expect(advanceLegalOrder(contested.progress, { kind: 'clock' }, later(monday, 60 * dayMs)).events).toEqual([])
  })
})

describe('drills', () => {
  const story = open(house)
  const summons: DrillSummons = {
    type: 'escrow/approval-drill/v1',
    origin: house.agreement.origin,
    agreement: house.digest,
    epoch: 1,
    condition: 'insolvent',
    recipients: [...story.frame.recipients],
    nonce: 'ab'.repeat(16),
    summonedAt: monday.toISOString(),
    endsAt: later(monday, 48 * hourMs).toISOString(),
  }
  const drill = drillDigest(summons)
  const vote = (party: string, minutes: number) => {
    const recordedAt = later(monday, minutes * 60_000)
    const covers = [{ ...story.cover(), requestDigest: drill }]
    return { digest: house.sign('approval', party, { covers, reason: 'Drill.' }, { at: monday }), recordedAt: recordedAt.toISOString() }
  }
  const report = (votes: readonly ReturnType<typeof vote>[]) => reportApprovalDrill(summons, story.frame, votes, house.verify)

  test('an approval drill tells who answered, how fast, and whether it would have been enough', () => {
    const passed = report([vote('c1', 5), vote('legal1', 10), vote('c2', 20), vote('c3', 90), vote('c4', 200)])
    expect(passed).toMatchObject({ outcome: 'pass', verdict: 'approved', quorumMinutes: 90 })
    expect(passed.answers).toContainEqual({ person: 'c5', body: 'custodians', vote: 'silent', answerMinutes: null })
    expect(passed.answers).toContainEqual({ person: 'c2', body: 'custodians', vote: 'approval', answerMinutes: 20 })
  })

  test('answers after its end come too late', () => {
    expect(report([vote('c1', 5), vote('legal1', 10), vote('c2', 20), vote('c3', 48 * 60)])).toMatchObject({
      outcome: 'fail',
      quorumMinutes: null,
    })
  })

  test('approvals of a drill approve no request, and shares given in one are refused by the relay', () => {
    const real = open(house)
    real.reachApproval()
    expect(refusal(() => real.give({ kind: 'statement', digest: vote('c1', 5).digest }))).toBe('STATEMENT_INVALID')
    const share = real.share('c1', { requestDigest: drill })
    const { refused } = sortShares([share], real.progress, { frame: real.frame, now: real.now, verify: house.verify })
    expect(refused).toMatchObject([{ problem: 'other-request' }])
  })

  test.for([
    [
      'pass',
      {
        verifiedAt: later(monday, 30 * 60_000).toISOString(),
        takenAt: later(monday, -hourMs).toISOString(),
        canaryFound: true,
        fault: null,
      },
    ],
    [
      'fail',
      {
        verifiedAt: later(monday, 30 * 60_000).toISOString(),
        takenAt: later(monday, -hourMs).toISOString(),
        canaryFound: false,
        fault: null,
      },
    ],
    ['fail', { verifiedAt: null, takenAt: null, canaryFound: false, fault: null }],
    ['error', { verifiedAt: null, takenAt: null, canaryFound: false, fault: 'no space left' }],
  ] as const)('a restore drill ends in %s', ([outcome, measured]) => {
    const restored = reportRestoreDrill({ startedAt: monday.toISOString(), ...measured })
    expect(restored.outcome).toBe(outcome)
    if (outcome === 'pass') expect(restored).toMatchObject({ recoveryTimeMinutes: 30, recoveryPointMinutes: 60 })
  })

  test('overdue drills are found, the most overdue first', () => {
    const last = { approval: null, restore: monday.toISOString(), 'share-health': null }
    const rules = { intervals: policy.drills, since: monday.toISOString() }
    expect(overdueDrills(last, { ...rules, now: later(monday, 90 * dayMs) })).toEqual([])
    expect(overdueDrills(last, { ...rules, now: later(monday, 200 * dayMs) }).map(({ kind }) => kind)).toEqual(['share-health', 'restore'])
  })
})
