// Every transition of DESIGN section 7, and every input in every state: what is not a transition is refused and changes nothing.
import { describe, expect, test } from 'vitest'
import { advance } from '../../../src/release/rules/release-request.js'
import { deadlineOf, dueAt } from '../../../src/release/rules/release-state.js'
import { Consortium, evidence } from '../../doubles/consortium.js'
import { dayMs, hourMs, later, monday } from '../../doubles/moments.js'
import { open, Proceedings } from '../../doubles/proceedings.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

const atState: Readonly<Record<string, (story: Proceedings) => void>> = {
  submitted: () => undefined,
  admitted: (story) => void story.check(),
  notice: (story) => {
    atState['admitted']?.(story)
    story.serve()
  },
  contested: (story) => {
    atState['notice']?.(story)
    story.object()
  },
  approval: (story) => story.reachApproval(),
  coolingOff: (story) => story.reachCoolingOff(),
  releasing: (story) => story.reachReleasing(),
  held: (story) => {
    story.reachApproval()
    story.hold()
  },
  released: (story) => {
    story.reachReleasing()
    story.deliver('c1', 'c2', 'c3')
  },
  closed: (story) => {
    atState['released']?.(story)
    story.waitOut()
  },
  rejected: (story) => void story.check(false),
  withdrawn: (story) => void story.withdraw(),
  expired: (story) => {
    story.reachApproval()
    story.waitOut()
  },
}

const inputs: Readonly<Record<string, (story: Proceedings) => unknown>> = {
  'formal check passed': (story) => story.check(),
  'notice served': (story) => story.serve(),
  objection: (story) => story.object('Again: no.', ['docket']),
  'ruling proceed': (story) => story.rule('proceed'),
  'ruling reject': (story) => story.rule('reject'),
  'ruling stay': (story) => story.rule('stay'),
  approval: (story) => story.approve('c4'),
  refusal: (story) => story.refuse('c4'),
  veto: (story) => story.veto(),
  hold: (story) => story.hold(),
  lift: (story) => story.hold('ministry', 5, 'lift'),
  withdrawal: (story) => story.withdraw(),
  shares: (story) => story.deliver('c1', 'c2', 'c3'),
  'end of the window': (story) => {
    story.now = new Date(Math.max(story.now.getTime(), Date.parse(deadlineOf(story.progress.state) ?? story.now.toISOString())))
    story.give({ kind: 'clock' })
  },
}

/** Where each input leads from each state; what is not listed is refused with `REQUEST_STATE`. */
const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  submitted: {
    'formal check passed': 'admitted',
    objection: 'contested',
    hold: 'held',
    withdrawal: 'withdrawn',
    'end of the window': 'admitted',
  },
  admitted: { 'notice served': 'notice', objection: 'contested', hold: 'held', withdrawal: 'withdrawn', 'end of the window': 'notice' },
  notice: { objection: 'contested', hold: 'held', withdrawal: 'withdrawn', 'end of the window': 'approval' },
  contested: {
    objection: 'contested',
    'ruling proceed': 'approval',
    'ruling reject': 'rejected',
    'ruling stay': 'contested',
    hold: 'held',
    withdrawal: 'withdrawn',
    'end of the window': 'approval',
  },
  approval: { approval: 'approval', refusal: 'approval', hold: 'held', withdrawal: 'withdrawn', 'end of the window': 'expired' },
  coolingOff: {
    approval: 'coolingOff',
    refusal: 'coolingOff',
    veto: 'approval',
    hold: 'held',
    withdrawal: 'withdrawn',
    'end of the window': 'releasing',
  },
  releasing: {
    approval: 'releasing',
    refusal: 'releasing',
    hold: 'held',
    withdrawal: 'withdrawn',
    shares: 'released',
    'end of the window': 'expired',
  },
  held: { lift: 'approval', withdrawal: 'withdrawn', 'end of the window': 'approval' },
  released: { 'end of the window': 'closed' },
  closed: { 'end of the window': 'closed' },
  rejected: { 'end of the window': 'rejected' },
  withdrawn: { 'end of the window': 'withdrawn' },
  expired: { 'end of the window': 'expired' },
}

const cases = Object.keys(table).flatMap((state) =>
  Object.keys(inputs).map((input) => [state, input, table[state]?.[input] ?? null] as const),
)

test.for(cases)('%s, %s -> %s', ([state, input, expected]) => {
  const story = open()
  atState[state]?.(story)
  expect(story.state).toBe(state)
  const before = story.progress
  const code = refusal(() => inputs[input]?.(story))
  expect(code).toBe(expected === null ? 'REQUEST_STATE' : null)
  expect(story.state).toBe(expected ?? state)
  if (expected === null) expect(story.progress).toBe(before)
})

describe('who may do what', () => {
  test.for([
    ['a ruling by the agent', 'contested', (story: Proceedings) => story.rule('proceed', 'agent')],
    ['a ruling by the requester', 'contested', (story: Proceedings) => story.rule('proceed', 'alpha')],
    ['a veto by a custodian', 'coolingOff', (story: Proceedings) => story.veto('c1')],
    ['a hold by the depositor', 'approval', (story: Proceedings) => story.hold('vendor')],
    ['a hold by the agent, whom nobody pinned for it', 'approval', (story: Proceedings) => story.hold('agent')],
    ['a withdrawal by another beneficiary', 'approval', (story: Proceedings) => story.withdraw('beta')],
    ['a lift by somebody who did not place the hold', 'held', (story: Proceedings) => story.hold('guardian', 5, 'lift')],
  ] as const)('%s is refused', ([, state, act]) => {
    const story = open()
    atState[state]?.(story)
    expect(refusal(() => act(story))).toBe('SIGNER_REFUSED')
    expect(story.state).toBe(state)
  })

  test('an objection in the depositor’s name by anybody else is refused', () => {
    const story = open()
    expect(
      refusal(() => story.say('contrary-instruction', 'beta', { requestDigest: story.frame.digest, grounds: 'No.', evidence: [] })),
    ).toBe('SIGNER_REFUSED')
  })
})

describe('clocks', () => {
  test.for([
    ['submitted', 2 * dayMs, 'two business days end on Wednesday'],
    ['admitted', dayMs, 'one business day ends on Tuesday'],
  ] as const)('%s lasts its business days', ([state, days]) => {
    const story = open()
    atState[state]?.(story)
    const midnight = Date.parse('2026-11-23T23:00:00.000Z')
    expect(Date.parse(deadlineOf(story.progress.state) ?? '')).toBe(midnight + days)
  })

  test('notice lasts for cure and objection, whichever is longer', () => {
    const story = open()
    atState['notice']?.(story)
    // Ten business days from Monday end with Monday fortnight; ten calendar days would end earlier.
    expect(deadlineOf(story.progress.state)).toBe('2026-12-07T23:00:00.000Z')
  })

  test('an objection without docket evidence counts until the docket is due, with it until a ruling is', () => {
    const story = open()
    atState['notice']?.(story)
    story.object()
    const { state } = story.progress
    const docketBy = deadlineOf(state)
    story.object('Here is the docket.', ['docket'])
    expect(deadlineOf(story.progress.state)).toBe(state.name === 'contested' ? state.rulingBy : '')
    expect((docketBy ?? '') < (deadlineOf(story.progress.state) ?? '')).toBe(true)
    story.waitOut()
    expect(story.events.at(-1)).toMatchObject({ to: 'approval', cause: { clock: 'contestDaysMax' } })
  })

  test('the depositor is heard once: a second objection after the first was ruled on comes too late', () => {
    const story = open()
    atState['contested']?.(story)
    story.rule('proceed')
    expect(refusal(() => story.object())).toBe('REQUEST_STATE')
  })

  test('a service that was down for a year has eaten nobody’s window', () => {
    const story = open()
    atState['notice']?.(story)
    story.wait(365 * dayMs)
    expect(story.state).toBe('approval')
    expect(Date.parse(deadlineOf(story.progress.state) ?? '')).toBe(story.now.getTime() + 72 * hourMs)
  })

  test('a back-dated clock neither moves a request back nor shortens the next window', () => {
    const story = open()
    atState['admitted']?.(story)
    const served = later(story.now, dayMs)
    story.now = served
    story.give({ kind: 'clock' })
    story.hold()
    story.now = later(monday, -20 * dayMs)
    story.give({ kind: 'clock' })
    expect(story.state).toBe('held')
    story.hold('ministry', 5, 'lift')
    story.serve()
    expect((deadlineOf(story.progress.state) ?? '') > later(served, 13 * dayMs).toISOString()).toBe(true)
  })

  test('holds end by themselves, and together they last no longer than agreed', () => {
    const story = open()
    story.reachApproval()
    for (const expectedDays of [30, 30, 30]) {
      const from = story.now.getTime()
      story.hold('ministry', 300)
      story.waitOut()
      expect((story.now.getTime() - from) / dayMs).toBe(expectedDays)
      expect(story.state).toBe('approval')
    }
    expect(refusal(() => story.hold('ministry', 300))).toBe('REQUEST_STATE')
  })

  test('late shares raise one alarm before they are given up', () => {
    const story = open()
    story.reachReleasing()
    expect(dueAt(story.progress)).toBe(later(story.now, 24 * hourMs).toISOString())
    story.wait(24 * hourMs)
    expect(story.events.at(-1)).toMatchObject({ from: 'releasing', to: 'releasing', alarm: true, cause: { clock: 'deliveryHours' } })
    const { length } = story.events
    story.wait(hourMs)
    expect(story.events).toHaveLength(length)
    story.waitOut()
    expect(story.progress.state).toMatchObject({ name: 'expired', reason: 'shares-missing' })
  })

  test('with every clock at zero a request is ready for votes at once, and released without waiting', () => {
    const clocks = { formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0, coolingOffHours: 0 }
    const conditions = [{ ...releasePart.conditions[0], cureDays: 0 }]
    const house = new Consortium({ release: { ...releasePart, clocks, conditions } })
    const story = new Proceedings(house, house.frame(house.request()))
    expect(story.state).toBe('approval')
    for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party)
    expect(story.state).toBe('releasing')
  })
})

describe('what may be submitted', () => {
  const house = new Consortium()
  test.for([
    [
      'a beneficiary’s key that the agreement does not pin',
      { beneficiaries: [{ party: 'alpha', recipient: house.party('beta').recipient ?? '' }] },
      'STATEMENT_INVALID',
    ],
    [
      'a receiver who is no beneficiary',
      { beneficiaries: [{ party: 'c1', recipient: house.party('c1').recipient ?? '' }] },
      'STATEMENT_INVALID',
    ],
    ['a source of another agreement', { deposits: [{ source: 'compiler', sequence: null }] }, 'STATEMENT_INVALID'],
    ['no evidence', { evidence: [] }, 'STATEMENT_INVALID'],
    ['evidence of another thing', { evidence: [evidence('letter')] }, 'STATEMENT_INVALID'],
    ['a condition that nobody agreed', { condition: 'bored' }, 'NOT_FOUND'],
    ['an order that is not effective', { condition: 'order', order: 'ab'.repeat(32) }, 'STATEMENT_INVALID'],
    ['an order where the condition is none by order', { order: 'ab'.repeat(32) }, 'STATEMENT_INVALID'],
    ['a condition by order without one', { condition: 'order' }, 'STATEMENT_INVALID'],
    ['the agent as requester', { by: 'agent' }, 'SIGNER_REFUSED'],
    ['the depositor outside its own consent', { by: 'vendor' }, 'SIGNER_REFUSED'],
  ] as const)('%s is refused', ([, fields, code]) => {
    const digest = house.request({ ...fields, ...('evidence' in fields ? { evidence: [...fields.evidence] } : {}) } as never)
    expect(refusal(() => house.frame(digest))).toBe(code)
  })

  test.for([
    ['another epoch', { epoch: 2 }],
    ['another agreement', { agreement: 'ee'.repeat(32) }],
    ['another service', { origin: 'elsewhere.example' }],
  ])('a request under %s is refused', ([, how]) => {
    expect(refusal(() => house.frame(house.request({}, how as object)))).toBe('STATEMENT_INVALID')
  })

  test('the recovery recipient of a beneficiary is as good as its first', () => {
    const recipient = house.party('alpha').recoveryRecipient ?? ''
    expect(house.frame(house.request({ beneficiaries: [{ party: 'alpha', recipient }] })).recipients).toEqual([recipient])
  })

  test('evidence may say more than its name', () => {
    expect(house.frame(house.request({ evidence: [evidence('court-register-extract: Zug, 20 November')] })).cause.kind).toBe('beneficiary')
  })

  test('a depositor that gives its own material away waits for nobody but the voters', () => {
    const story = new Proceedings(house, house.frame(house.request({ by: 'vendor', condition: 'consent', evidence: [] })))
    expect(story.state).toBe('approval')
    expect(story.events.map((event) => event.to)).toEqual(['submitted', 'admitted', 'notice', 'approval'])
  })
})

test('a policy amended in mid-request does not govern it', () => {
  const story = open()
  const amended = new Consortium({ change: (agreement) => ({ ...agreement, version: 2, previous: story.house.digest }) })
  const frame = { ...story.frame, agreement: amended.digest }
  const input = { kind: 'clock' } as const
  expect(refusal(() => advance(story.progress, input, { frame, now: monday, verify: story.house.verify }))).toBe('AGREEMENT_DIGEST')
})

test('a quorum that is impossible from the start freezes the request instead of letting it run out', () => {
  const house = new Consortium({
    change: (agreement) => ({
      ...agreement,
      jurisdiction: { ...agreement.jurisdiction, approverCountries: ['CH', 'DE'] },
    }),
  })
  const frame = house.frame(house.request())
  const story = new Proceedings(house, frame)
  expect(story.progress.state).toMatchObject({ name: 'held', reason: 'quorum-impossible', resume: { name: 'submitted' } })
  expect(story.events.map(({ to, alarm }) => [to, alarm])).toEqual([
    ['submitted', false],
    ['held', true],
  ])
})
