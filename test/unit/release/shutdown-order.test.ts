// A shutdown order in one agreement: who may register it, how it is contested, and what it submits.
import { describe, expect, test } from 'vitest'
import { advanceOrder, effectiveOrder, registerOrder, type OrderInput } from '../../../src/release/rules/shutdown-order.js'
import { agreementsInScope, judgeRegistration, requestOfOrder } from '../../../src/release/rules/order-registration.js'
import { orderDeadlineOf, type OrderEvent, type OrderFrame, type OrderProgress } from '../../../src/release/rules/order-state.js'
import { parseReleasePolicy, termsOf } from '../../../src/release/rules/release-policy.js'
import { Consortium, evidence, type Circumstances } from '../../doubles/consortium.js'
import { dayMs, later, monday } from '../../doubles/moments.js'
import { Proceedings } from '../../doubles/proceedings.js'
import { refusal } from '../../doubles/code-of.js'
import type { Matter } from '../../doubles/statement-matter.js'

const house = new Consortium()
const terms = termsOf(parseReleasePolicy(house.agreement.release), 'order')
const { parties } = house.agreement
const frame: OrderFrame = { agreement: house.digest, digests: [house.digest], origin: house.agreement.origin, parties, terms }

class OrderStory {
  progress: OrderProgress
  readonly events: OrderEvent[]
  now = monday

  constructor(
    by = 'ministry',
    readonly matter: Partial<Matter<'shutdown-order'>> = {},
    how: Circumstances = {},
  ) {
    const step = registerOrder(this.sign(by, matter, how), { frame, now: this.now, verify: house.verify })
    this.progress = step.progress
    this.events = [...step.events]
  }

  get state(): string {
    return this.progress.state.name
  }

  sign(by: string, matter: Partial<Matter<'shutdown-order'>> = this.matter, how: Circumstances = {}): string {
    return house.sign(
      'shutdown-order',
      by,
      {
        issuer: 'Federal Office',
        jurisdiction: 'CH',
        reference: 'FO 2026/17',
        documents: [evidence('order')],
        scope: { kind: 'depositor', organisation: 'HOUSE  vendor' },
        effectiveAt: later(monday, 3 * dayMs).toISOString(),
        ...matter,
      },
      { at: this.now, ...how },
    )
  }

  give(input: OrderInput): void {
    const step = advanceOrder(this.progress, input, { frame, now: this.now, verify: house.verify })
    this.progress = step.progress
    this.events.push(...step.events)
  }

  join(by: string, matter = this.matter, how: Circumstances = {}): void {
    this.give({ kind: 'statement', digest: this.sign(by, matter, how) })
  }

  serve(by = 'agent', subject = this.progress.order): void {
    const matter = { subject, proof: 'aa'.repeat(32) }
    this.give({ kind: 'statement', digest: house.sign('notice-served', by, matter, { at: this.now }) })
  }

  contest(documents: readonly string[] = [], by = 'vendor', order = this.progress.order): void {
    const matter = {
      order,
      court: 'Federal Court',
      docket: 'A-1',
      grounds: 'Unlawful.',
      evidence: documents.map(evidence),
    }
    this.give({ kind: 'statement', digest: house.sign('contestation', by, matter, { at: this.now }) })
  }

  rule(outcome: 'proceed' | 'reject' | 'stay', by = 'arbiter', about: Partial<Matter<'ruling'>['subject']> = {}): void {
    const subject = { kind: 'order', digest: this.progress.order, ...about } as const
    this.give({
      kind: 'statement',
      digest: house.sign('ruling', by, { subject, outcome, grounds: 'Heard.', evidence: [] }, { at: this.now }),
    })
  }

  heartbeat(): void {
    this.give({ kind: 'statement', digest: house.sign('heartbeat', 'vendor', {}, { at: this.now }) })
  }

  wait(ms: number): void {
    this.now = later(this.now, ms)
    this.give({ kind: 'clock' })
  }

  waitOut(): void {
    this.now = new Date(orderDeadlineOf(this.progress.state) ?? this.now)
    this.give({ kind: 'clock' })
  }
}

/** Registered by the ministry and alpha, and served. */
function served(): OrderStory {
  const story = new OrderStory()
  story.join('alpha')
  story.serve()
  return story
}

describe('who may register', () => {
  test.for([
    [['vendor'], 'by-depositor'],
    [['ministry'], 'incomplete'],
    [['ministry', 'ministry'], 'incomplete'],
    [['alpha', 'beta'], 'incomplete'],
    [['ministry', 'alpha'], 'by-two'],
    [['ministry', 'c1'], 'by-two'],
    [['legal1'], 'incomplete'],
    [['legal1', 'alpha'], 'by-two'],
    [['legal1', 'legal2'], 'incomplete'],
    [['c1', 'c2', 'c3'], 'incomplete'],
  ] as const)('%s: %s', ([registrants, verdict]) => {
    expect(judgeRegistration(registrants, parties, terms)).toBe(verdict)
  })

  test('two parties of one organisation are one', () => {
    const owned = parties.map((party) => (party.party === 'alpha' ? { ...party, organisation: 'house MINISTRY' } : party))
    expect(judgeRegistration(['ministry', 'alpha'], owned, terms)).toBe('incomplete')
  })

  test('two parties that sign with one key are one', () => {
    const { keys } = house.party('ministry')
    const same = parties.map((party) => (party.party === 'alpha' ? { ...party, keys } : party))
    expect(judgeRegistration(['ministry', 'alpha'], same, terms)).toBe('incomplete')
  })

  test('a group speaks when as many of its people have signed as it needs to approve', () => {
    const two = { ...terms, approvalGroups: terms.approvalGroups.map((group) => ({ ...group, k: 2 })) }
    expect(judgeRegistration(['legal1', 'alpha'], parties, two)).toBe('incomplete')
    expect(judgeRegistration(['legal1', 'legal2', 'alpha'], parties, two)).toBe('by-two')
    const { keys } = house.party('legal1')
    const same = parties.map((party) => (party.party === 'legal2' ? { ...party, keys } : party))
    expect(judgeRegistration(['legal1', 'legal2', 'alpha'], same, two)).toBe('incomplete')
  })

  test('it brings the documents that the agreement demands, under their titles, and a date that is no mistake', () => {
    const demanding = { ...frame, terms: { ...terms, evidence: ['seizure'] } }
    const bring = (title: string) => {
      const story = new OrderStory('ministry', { documents: [evidence(title)] })
      return () => registerOrder(story.progress.order, { frame: demanding, now: monday, verify: house.verify })
    }
    for (const title of ['seizure', 'seizure: annex 3']) expect(bring(title)).not.toThrow()
    for (const title of ['order', 'seizures', 'no seizure']) expect(refusal(bring(title))).toBe('STATEMENT_INVALID')
    const dated = (days: number) => () => new OrderStory('ministry', { effectiveAt: later(monday, days * dayMs).toISOString() })
    expect(dated(3660)).not.toThrow()
    expect(refusal(dated(3661))).toBe('STATEMENT_INVALID')
  })

  test.for<[string, Circumstances, string]>([
    ['for another service', { origin: 'log.elsewhere/escrow' }, 'STATEMENT_INVALID'],
    ['from tomorrow', { at: later(monday, dayMs) }, 'STATEMENT_INVALID'],
    ['that has expired', { at: later(monday, -2 * dayMs), lifeDays: 2 }, 'STATEMENT_EXPIRED'],
    ['in the name of another party', { key: 'c1' }, 'SIGNATURE_INVALID'],
    ['by somebody who is no party here', { agreement: 'ee'.repeat(32), party: 'alpha' }, 'SIGNER_REFUSED'],
  ])('not by a statement %s', ([, how, code]) => {
    const story = new OrderStory()
    const others = { ...frame, parties: parties.filter(({ party }) => code !== 'SIGNER_REFUSED' || party !== 'alpha') }
    const digest = story.sign('alpha', {}, how)
    const join = () => advanceOrder(story.progress, { kind: 'statement', digest }, { frame: others, now: monday, verify: house.verify })
    expect(refusal(join)).toBe(code)
  })

  test.for(['agent', 'arbiter'])('the %s may not', (by) => {
    expect(refusal(() => new OrderStory(by))).toBe('SIGNER_REFUSED')
  })

  test('an order against somebody else does not reach this agreement', () => {
    expect(refusal(() => new OrderStory('ministry', { scope: { kind: 'depositor', organisation: 'House other' } }))).toBe(
      'STATEMENT_INVALID',
    )
    // Nor one against somebody who is a party here, but not the depositor.
    expect(
      refusal(() => new OrderStory('ministry', { scope: { kind: 'depositor', organisation: house.party('alpha').organisation } })),
    ).toBe('STATEMENT_INVALID')
    expect(refusal(() => new OrderStory('ministry', { scope: { kind: 'agreements', agreements: ['ee'.repeat(32)] } }))).toBe(
      'STATEMENT_INVALID',
    )
  })

  test('a second party must register the same order, to the letter', () => {
    const story = new OrderStory()
    expect(refusal(() => story.join('alpha', { reference: 'FO 2026/18' }))).toBe('STATEMENT_INVALID')
    expect(refusal(() => story.join('alpha', { effectiveAt: monday.toISOString() }))).toBe('STATEMENT_INVALID')
    expect(story.state).toBe('lodged')
  })

  test('a registration that expired before the second came does not count with it', () => {
    const story = new OrderStory()
    story.now = later(story.now, 301 * dayMs)
    expect(refusal(() => story.join('alpha'))).not.toBeNull()
    for (const [lifeDays, state] of [
      [100, 'lodged'],
      [101, 'registered'],
    ] as const) {
      const fresh = new OrderStory('ministry', {}, { lifeDays })
      fresh.now = later(fresh.now, 100 * dayMs)
      fresh.join('alpha')
      expect(fresh.state).toBe(state)
    }
  })
})

describe('the way of an order', () => {
  test('the depositor’s own is effective on its date, without service or silence', () => {
    const story = new OrderStory('vendor')
    expect(story.progress.state).toMatchObject({ name: 'registered', until: later(monday, 3 * dayMs).toISOString() })
    story.waitOut()
    expect(story.progress.state).toMatchObject({ name: 'effective', bySilence: false })
  })

  test('one party alone waits for a second, and lapses without', () => {
    const story = new OrderStory()
    expect(refusal(() => story.serve())).toBe('ORDER_STATE')
    expect(refusal(() => story.contest())).toBe('ORDER_STATE')
    story.waitOut()
    expect(story.state).toBe('lapsed')
    expect(refusal(() => story.join('alpha'))).toBe('ORDER_STATE')
  })

  test('without proof of service silence means nothing', () => {
    const story = new OrderStory()
    story.join('alpha')
    story.wait(100 * dayMs)
    expect(story.state).toBe('registered')
    story.waitOut()
    expect(story.state).toBe('lapsed')
  })

  test('a depositor who is served and silent for the whole objection window is taken to be gagged', () => {
    const story = served()
    const { state } = story.progress
    expect(orderDeadlineOf(state)).toBe('2026-12-07T23:00:00.000Z')
    story.waitOut()
    expect(story.progress.state).toMatchObject({ name: 'effective', bySilence: true })
  })

  test('any signed word of the depositor begins the silence anew, but not for ever', () => {
    const story = served()
    for (let weeks = 0; weeks < 100 && story.state === 'registered'; weeks += 1) {
      story.wait(7 * dayMs)
      if (story.state === 'registered') story.heartbeat()
    }
    expect(story.state).toBe('effective')
    const days = (story.now.getTime() - monday.getTime()) / dayMs
    expect(days).toBeGreaterThan(150)
    expect(days).toBeLessThan(200)
  })

  test('an old heartbeat held back by the operator breaks no silence', () => {
    const old = house.sign('heartbeat', 'vendor', {}, { at: later(monday, -dayMs) })
    const story = served()
    expect(refusal(() => story.give({ kind: 'statement', digest: old }))).toBe('STATEMENT_INVALID')
  })

  test('contested, stayed, lost: effective at once when its date has passed', () => {
    const story = served()
    story.wait(5 * dayMs)
    story.contest(['docket'])
    expect(story.state).toBe('contested')
    story.rule('stay')
    expect(story.state).toBe('stayed')
    story.wait(30 * dayMs)
    story.rule('proceed')
    expect(story.state).toBe('effective')
    expect(story.events.slice(-2).map(({ from, to }) => `${from} > ${to}`)).toEqual(['stayed > lost', 'lost > effective'])
  })

  test('lost before its date, it waits for its date', () => {
    const story = served()
    story.contest(['docket'])
    story.rule('proceed')
    expect(story.progress.state).toMatchObject({ name: 'lost', until: later(monday, 3 * dayMs).toISOString() })
  })

  test('won in court, it is closed', () => {
    const story = served()
    story.contest(['docket'])
    story.rule('reject')
    expect(story.state).toBe('won')
    expect(refusal(() => story.contest(['docket']))).toBe('ORDER_STATE')
    expect(effectiveOrder(story.progress, house.verify)).toBeNull()
  })

  test('a contestation without docket evidence stalls it no longer than agreed', () => {
    const story = served()
    story.contest()
    story.waitOut()
    expect(story.state).toBe('effective')
    expect(story.events.at(-2)).toMatchObject({ to: 'lost', cause: { clock: 'docketDays' } })
    expect(story.now < later(monday, 15 * dayMs)).toBe(true)
  })

  test('a court that stays an order needs no docket evidence for its time', () => {
    const [docketed, not] = [served(), served()]
    docketed.contest(['docket'])
    not.contest()
    for (const story of [docketed, not]) story.rule('stay')
    expect(orderDeadlineOf(not.progress.state)).toBe(orderDeadlineOf(docketed.progress.state))
  })

  test('a court that never rules stalls it no longer than agreed', () => {
    const story = served()
    story.contest(['docket'])
    story.rule('stay')
    story.waitOut()
    expect(story.state).toBe('effective')
    expect(story.events.at(-2)).toMatchObject({ to: 'lost', cause: { clock: 'contestDaysMax' } })
  })

  test.for([
    ['a contestation by a beneficiary', (story: OrderStory) => story.contest(['docket'], 'alpha')],
    ['a ruling by the agent', (story: OrderStory) => story.rule('proceed', 'agent')],
    ['a ruling by the ministry', (story: OrderStory) => story.rule('proceed', 'ministry')],
  ] as const)('%s is refused', ([, act]) => {
    const story = served()
    expect(refusal(() => act(story))).toBe('SIGNER_REFUSED')
    expect(story.state).toBe('registered')
  })

  test.for<[string, (story: OrderStory) => void]>([
    ['service', (story) => story.serve('agent', 'ee'.repeat(32))],
    ['a contestation', (story) => story.contest(['docket'], 'vendor', 'ee'.repeat(32))],
    ['a ruling', (story) => story.rule('proceed', 'arbiter', { digest: 'ee'.repeat(32) })],
    ['a ruling on a request', (story) => story.rule('proceed', 'arbiter', { kind: 'request' })],
  ])('%s that is about something else is refused', ([what, act]) => {
    const story = new OrderStory()
    story.join('alpha')
    if (what !== 'service') story.serve()
    if (what.startsWith('a ruling')) story.contest(['docket'])
    const { state } = story
    expect(refusal(() => act(story))).toBe('STATEMENT_INVALID')
    expect(story.state).toBe(state)
  })

  test.for<[string, () => OrderStory, (story: OrderStory) => void]>([
    ['an order that the depositor stands behind is not served', () => new OrderStory('vendor'), (story) => story.serve()],
    ['nor one that was served, which would begin the silence anew', served, (story) => story.serve()],
    ['nobody rules on what nobody has contested', served, (story) => story.rule('reject')],
    ['nor hears a depositor that was not served', () => new OrderStory(), (story) => story.heartbeat()],
  ])('%s', ([, begin, act]) => {
    const story = begin()
    const before = story.progress
    expect(refusal(() => act(story))).toBe('ORDER_STATE')
    expect(story.progress).toEqual(before)
  })

  test('the word of another party breaks no silence, nor one from the moment of the service', () => {
    const story = served()
    expect(refusal(() => story.heartbeat())).toBe('STATEMENT_INVALID')
    story.wait(dayMs)
    const until = later(story.now, 10 * dayMs).toISOString()
    const hold = { action: 'place', requestDigest: null, until, reference: 'x', reason: 'x' } as const
    const digest = house.sign('legal-hold', 'ministry', hold, { at: story.now })
    expect(refusal(() => story.give({ kind: 'statement', digest }))).toBe('SIGNER_REFUSED')
  })

  test('a word of the depositor never brings an order forward to before its own date', () => {
    const effectiveAt = later(monday, 300 * dayMs).toISOString()
    const story = new OrderStory('ministry', { effectiveAt })
    story.join('alpha')
    story.serve()
    story.wait(dayMs)
    story.heartbeat()
    expect(orderDeadlineOf(story.progress.state)).toBe(effectiveAt)
  })

  test('another registration neither ends a silence nor lengthens an order', () => {
    const story = served()
    const { state } = story.progress
    story.wait(dayMs)
    story.join('beta')
    expect(story.progress).toMatchObject({ state, registrations: [expect.any(String), expect.any(String), expect.any(String)] })
  })

  test('the depositor that joins at last ends the silence: the order waits for its date alone', () => {
    const story = new OrderStory('ministry', { effectiveAt: later(monday, 90 * dayMs).toISOString() })
    story.join('alpha')
    story.serve()
    expect(orderDeadlineOf(story.progress.state)).toBe(later(monday, 90 * dayMs).toISOString())
    story.join('vendor')
    expect(story.progress).toMatchObject({ byDepositor: true, state: { name: 'registered', silentSince: null } })
    story.wait(89 * dayMs)
    expect(story.state).toBe('registered')
    story.waitOut()
    expect(story.progress.state).toMatchObject({ name: 'effective', bySilence: false })
  })

  test('it is judged by the agreement that it was registered in', () => {
    const story = served()
    const foreign = { frame: { ...frame, agreement: 'ee'.repeat(32) }, now: story.now, verify: house.verify }
    expect(refusal(() => advanceOrder(story.progress, { kind: 'clock' }, foreign))).toBe('AGREEMENT_DIGEST')
  })

  test('what happens on a clock that went back happens when the last thing did', () => {
    const story = served()
    story.wait(5 * dayMs)
    story.heartbeat()
    const { now } = story
    story.now = later(now, -dayMs)
    story.contest(['docket'])
    expect(story.progress.clock).toBe(now.toISOString())
    expect(story.progress.state.since).toBe(now.toISOString())
  })

  test('a replay and a clock that goes back change nothing', () => {
    const story = served()
    const before = story.progress
    story.now = later(monday, -30 * dayMs)
    story.give({ kind: 'clock' })
    story.give({ kind: 'statement', digest: before.registrations[1] ?? '' })
    expect(story.progress).toBe(before)
  })
})

describe('what an effective order submits', () => {
  const effective = (): OrderStory => {
    const story = served()
    story.waitOut()
    return story
  }
  const submitted = (story: OrderStory): Proceedings => {
    const order = effectiveOrder(story.progress, house.verify)
    const { statement } = house.verify(story.progress.order)
    if (order === null || statement.type !== 'escrow/statement/shutdown-order/v1') throw new Error('expected an effective order')
    const matter = requestOfOrder({ digest: order.digest, matter: statement }, house.agreement, terms)
    const request = 'req_bbbbbbbbbbbbbbbbbbbb' as Matter<'release-request'>['request']
    const digest = house.sign('release-request', 'agent', { request, ...matter }, { at: story.now })
    return new Proceedings(house, house.frame(digest, { order, now: story.now }), story.now)
  }

  test('a request for every source and beneficiary, open for votes at once', () => {
    const request = submitted(effective())
    expect(request.state).toBe('approval')
    expect(request.frame.recipients).toHaveLength(2)
    expect(request.frame.cause).toMatchObject({ kind: 'order', bySilence: true })
    expect(request.frame.requesters).toEqual(['ministry', 'alpha', 'agent'])
  })

  test('an order never releases without the quorum', () => {
    const request = submitted(effective())
    request.waitOut()
    expect(request.progress.state).toMatchObject({ name: 'expired', reason: 'silence' })
  })

  test('a member of legal who registered the order leaves the vote to the other', () => {
    const story = new OrderStory('legal1')
    story.join('alpha')
    story.serve()
    story.waitOut()
    const request = submitted(story)
    for (const party of ['c1', 'c2', 'c3']) request.approve(party)
    expect(refusal(() => request.approve('legal1'))).toBe('SIGNER_REFUSED')
    request.approve('legal2')
    expect(request.state).toBe('coolingOff')
  })

  test.for(['approval', 'coolingOff', 'releasing'])('a gagged depositor that speaks in %s is heard after all', (state) => {
    const request = submitted(effective())
    if (state !== 'approval') for (const party of ['c1', 'c2', 'c3', 'legal1']) request.approve(party)
    if (state === 'releasing') request.waitOut()
    expect(request.state).toBe(state)
    request.object('We were gagged.', ['docket'])
    expect(request.state).toBe('contested')
  })

  test('one approval covers the requests of many agreements, and counts in each for itself alone', () => {
    const story = effective()
    const [first, second] = [submitted(story), submitted(story)]
    const covers = [first.cover(), second.cover()]
    for (const party of ['c1', 'c2', 'c3', 'legal1']) {
      const digest = house.sign('approval', party, { covers, reason: 'One order, one answer.' }, { at: story.now })
      first.give({ kind: 'statement', digest })
      second.give({ kind: 'statement', digest })
    }
    expect([first.state, second.state]).toEqual(['coolingOff', 'coolingOff'])
  })

  test('an order reaches the agreements it names by any of their versions, or by their depositor', () => {
    const candidates = [
      { agreement: house.agreement, digests: ['01'.repeat(32), house.digest] },
      { agreement: new Consortium({ name: 'two' }).agreement, digests: ['02'.repeat(32)] },
    ]
    const matter = { issuer: 'x', jurisdiction: 'CH', reference: 'x', documents: [], effectiveAt: monday.toISOString() }
    const named = agreementsInScope({ ...matter, scope: { kind: 'agreements', agreements: ['01'.repeat(32)] } }, candidates)
    expect(named).toEqual([candidates[0]])
    expect(agreementsInScope({ ...matter, scope: { kind: 'depositor', organisation: 'house vendor' } }, candidates)).toHaveLength(2)
  })
})
