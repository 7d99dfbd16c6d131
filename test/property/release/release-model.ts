// Thousands of random histories of one request: statements genuine and forged, early, late, replayed and out of order, clocks that jump
// both ways, shares that come too soon. Whatever happens, the invariants of DESIGN section 7 hold after every single input.
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { EscrowError } from '../../../src/core/errors.js'
import { advance, replay, submit, type ReleaseInput } from '../../../src/release/rules/release-request.js'
import { deadlineOf, dueAt, isTerminal, type ReleaseEvent, type ReleaseProgress } from '../../../src/release/rules/release-state.js'
import { keepsShares, sortShares } from '../../../src/release/rules/share-relay.js'
import type { VerifiedStatement } from '../../../src/release/rules/quorum.js'
import { Consortium } from '../../doubles/consortium.js'
import { dayMs, later, monday } from '../../doubles/moments.js'
import { open } from '../../doubles/proceedings.js'

const house = new Consortium()
const main = open(house)
export const other = new Consortium({ change: (agreement) => ({ ...agreement, title: 'amended' }) })
export const { frame } = main

/** Verification is a function of the digest; each document is verified once for all runs. */
const verdicts = new Map<string, VerifiedStatement | EscrowError>()
export function verify(digest: string): VerifiedStatement {
  let verdict = verdicts.get(digest)
  if (verdict === undefined) {
    try {
      verdict = house.verify(digest)
    } catch (error) {
      verdict = error as EscrowError
    }
    verdicts.set(digest, verdict)
  }
  if (verdict instanceof EscrowError) throw verdict
  return verdict
}

const custodians = ['c1', 'c2', 'c3', 'c4', 'c5'] as const
const voters = [...custodians, 'legal1', 'legal2'] as const
const crowd = [...voters, 'alpha', 'beta', 'vendor', 'guardian', 'ministry', 'arbiter', 'agent'] as const

/** Statements are signed on every 32nd day and kept: the same one comes again in other runs, and in replays. */
const posted = new Map<string, string>()
function keep(key: string, make: () => string): string {
  const known = posted.get(key) ?? make()
  posted.set(key, known)
  return known
}

function dayOf(now: Date): Date {
  const days = 32 * dayMs
  return new Date(Math.max(monday.getTime(), Math.floor(now.getTime() / days) * days))
}

type Flaw = 'none' | 'epoch' | 'agreement' | 'recipients' | 'request' | 'key' | 'origin' | 'short' | 'future'

/** A signed vote, genuine or with one flaw. */
export function vote(kind: 'approval' | 'refusal', party: string, now: Date, flaw: Flaw, vetoedAt: string | null = null): string {
  const fresh = later(new Date(vetoedAt ?? 0), 1)
  const day = flaw === 'future' ? later(dayOf(now), 20 * dayMs) : fresh > dayOf(now) ? fresh : dayOf(now)
  return keep(`${kind} ${party} ${flaw} ${day.toISOString()}`, () => {
    const right = main.cover()
    const cover = {
      requestDigest: flaw === 'request' ? 'ee'.repeat(32) : right.requestDigest,
      agreement: flaw === 'agreement' ? other.digest : right.agreement,
      epoch: flaw === 'epoch' ? 2 : 1,
      recipients: flaw === 'recipients' ? [house.party('beta').recipient ?? ''] : right.recipients,
    }
    const how = {
      at: day,
      ...(flaw === 'key' ? { key: 'agent' } : {}),
      ...(flaw === 'origin' ? { origin: 'elsewhere.example' } : {}),
      ...(flaw === 'agreement' ? { agreement: other.digest } : {}),
      lifeDays: flaw === 'short' ? 20 : 300,
    }
    if (kind === 'approval') return house.sign('approval', party, { covers: [cover], reason: 'Yes.' }, how)
    const { requestDigest, agreement } = cover
    return house.sign('refusal', party, { covers: [{ requestDigest, agreement }], reason: 'No.' }, how)
  })
}

function speech(kind: string, party: string, now: Date): string {
  const day = dayOf(now)
  const requestDigest = frame.digest
  return keep(`${kind} ${party} ${day.toISOString()}`, () => {
    const how = { at: day }
    switch (kind) {
      case 'check':
        return house.sign('formal-check', party, { requestDigest, passed: true, reason: null }, how)
      case 'turn-down':
        return house.sign('formal-check', party, { requestDigest, passed: false, reason: 'aa'.repeat(32) }, how)
      case 'serve':
        return house.sign('notice-served', party, { subject: requestDigest, proof: 'bb'.repeat(32) }, how)
      case 'object':
        return house.sign('contrary-instruction', party, { requestDigest, grounds: 'No.', evidence: [] }, how)
      case 'withdraw':
        return house.sign('withdrawal', party, { requestDigest, reason: 'Settled.' }, how)
      case 'veto':
        return house.sign('veto', party, { requestDigest, reason: 'Wait.' }, how)
      case 'hold':
      case 'lift': {
        const until = later(day, 20 * dayMs).toISOString()
        const action = kind === 'hold' ? 'place' : 'lift'
        return house.sign('legal-hold', party, { action, requestDigest, until, reference: 'R', reason: 'Inquiry.' }, how)
      }
      default: {
        const outcome = kind as 'proceed' | 'reject' | 'stay'
        const subject = { kind: 'request', digest: requestDigest } as const
        return house.sign('ruling', party, { subject, outcome, grounds: 'Heard.', evidence: [] }, how)
      }
    }
  })
}

export type Action =
  | { readonly do: 'vote'; readonly kind: 'approval' | 'refusal'; readonly party: string; readonly flaw: Flaw }
  | { readonly do: 'quorum'; readonly parties: readonly string[] }
  | { readonly do: 'speech'; readonly kind: string; readonly party: string }
  | { readonly do: 'shares'; readonly parties: readonly string[] }
  | { readonly do: 'jump'; readonly ms: number }
  | { readonly do: 'due'; readonly ms: number }
  | { readonly do: 'act'; readonly input: ReleaseInput }
  | { readonly do: 'again'; readonly back: number }

const party = fc.constantFrom(...crowd)
const flaw = fc.constantFrom<Flaw>(
  'none',
  'none',
  'none',
  'epoch',
  'agreement',
  'recipients',
  'request',
  'key',
  'origin',
  'short',
  'future',
)
export const pass = { do: 'speech', kind: 'check', party: 'agent' } as const
/** Each kind of statement by the one who may make it; objections oftener, because they are only heard early. */
const speeches = [
  ['object', 'vendor'],
  ['object', 'vendor'],
  ['object', 'vendor'],
  ['check', 'agent'],
  ['check', 'agent'],
  ['turn-down', 'agent'],
  ['serve', 'agent'],
  ['withdraw', 'alpha'],
  ['veto', 'guardian'],
  ['veto', 'guardian'],
  ['hold', 'ministry'],
  ['lift', 'ministry'],
  ['proceed', 'arbiter'],
  ['reject', 'arbiter'],
  ['stay', 'arbiter'],
].map(([kind = '', by = '']) => ({ do: 'speech', kind, party: by }) as const)
export const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('vote' as const), kind: fc.constantFrom('approval', 'approval', 'refusal'), party, flaw }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('quorum' as const), parties: fc.subarray([...voters], { minLength: 3 }) }) },
  { weight: 2, arbitrary: fc.constantFrom<Action>(...speeches) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('speech' as const), kind: fc.constantFrom(...speeches.map(({ kind }) => kind)), party }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('shares' as const), parties: fc.subarray([...custodians]) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.integer({ min: -30 * dayMs, max: 40 * dayMs }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('due' as const), ms: fc.constantFrom(-1, 0, 0, 1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('act' as const),
      input: fc.record({
        kind: fc.constant('unavailable' as const),
        parties: fc.subarray([...voters], { maxLength: 4 }),
        decidedBy: fc.constant({ digest: 'ab'.repeat(32), party: 'ministry', type: 'escrow/statement/availability/v1' as const }),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), back: fc.nat(20) }) },
)

/** Plain and cheap: it is asked half a million times. */
export function must(holds: boolean, law: string): void {
  if (!holds) throw new Error(`broken: ${law}`)
}

/** A history under way, with a second bookkeeping that knows nothing of the code under test but which inputs it accepted. */
export class History {
  progress: ReleaseProgress
  now = monday
  readonly events: ReleaseEvent[]
  readonly accepted: { readonly input: ReleaseInput; readonly at: Date }[] = []
  readonly tried: ReleaseInput[] = []
  approvals = new Map<string, number>()
  refusals = new Set<string>()

  constructor() {
    const step = submit({ frame, now: monday, verify })
    this.progress = step.progress
    this.events = [...step.events]
  }

  give(input: ReleaseInput): void {
    this.tried.push(input)
    const before = this.progress
    try {
      const step = advance(before, input, { frame, now: this.now, verify })
      this.book(input, before, step.events)
      this.progress = step.progress
      this.events.push(...step.events)
      this.accepted.push({ input, at: this.now })
      this.check(before, step.events, input)
    } catch (error) {
      if (!(error instanceof EscrowError)) throw error
      must(this.progress === before, 'a refused input changes nothing')
    }
  }

  /** What a person with pen and paper would note. */
  private book(input: ReleaseInput, before: ReleaseProgress, events: readonly ReleaseEvent[]): void {
    if (events.some((event) => event.to === 'vetoed')) {
      this.approvals = new Map()
      this.refusals = new Set()
    }
    if (input.kind !== 'statement' || before.seen.includes(input.digest)) return
    const { statement, signer } = verify(input.digest)
    if (statement.type === 'escrow/statement/approval/v1') {
      this.approvals.set(signer, Math.max(this.approvals.get(signer) ?? 0, Date.parse(statement.expiresAt)))
    }
    if (statement.type === 'escrow/statement/refusal/v1') this.refusals.add(signer)
  }

  private check(before: ReleaseProgress, events: readonly ReleaseEvent[], input: ReleaseInput): void {
    const { state } = this.progress
    must(!isTerminal(before.state) || events.length === 0, 'nothing follows a terminal state')
    must(
      events.every((event, at) => event.sequence === before.events + 1 + at),
      'events are numbered without a gap',
    )
    const deadline = deadlineOf(state)
    must((deadline === null) === isTerminal(state), 'every state but the terminal ones ends by itself')
    must(deadline === null || deadline >= state.since, 'a window does not end before it begins')
    must(this.progress.clock >= before.clock, 'recorded time does not go back')
    for (const event of events) this.checkTransition(event)
    const can = (name: string) => !this.progress.unavailable.includes(name)
    const reachable = custodians.filter(can).length >= 3 && ['legal1', 'legal2'].some(can)
    must(reachable || isTerminal(state) || state.name === 'held' || state.name === 'released', 'a quorum out of reach stands still')
    if (state.name === before.state.name) return
    if (state.name === 'released') this.checkReleased(input)
    if (keepsShares(state)) return
    const { releasable } = sortShares(everyShare(), this.progress, { frame, now: this.now, verify })
    must(releasable.length === 0, `no share can leave in ${state.name}`)
  }

  private checkTransition({ from, to, cause }: ReleaseEvent): void {
    if (from === to) return
    must(lawful[from]?.includes(to) === true, `no way leads from ${from} to ${to}`)
    const decided = cause.kind === 'clock' && cause.clock === 'coolingOffHours'
    must(to !== 'releasing' || from === 'held' || decided, 'only the end of the cooling-off opens releasing')
    must(to !== 'released' || from === 'releasing', 'only releasing leads to released')
  }

  private checkReleased(input: ReleaseInput): void {
    const decided = this.events.findLast((event) => event.from === 'coolingOff' && event.to === 'releasing')
    const decidedAt = Date.parse(decided?.at ?? '')
    const stands = (name: string) =>
      (this.approvals.get(name) ?? 0) > decidedAt && !this.refusals.has(name) && !this.progress.unavailable.includes(name)
    const approving = custodians.filter(stands)
    must(approving.length >= 3, 'three custodians stand behind a release')
    must(['legal1', 'legal2'].some(stands), 'legal stands behind a release')
    const denied = (name: string): boolean => this.refusals.has(name) && !this.progress.unavailable.includes(name)
    must(!['legal1', 'legal2'].some(denied), 'one refusal of legal is enough')
    const givers = input.kind === 'shares' ? input.digests.map((digest) => verify(digest).signer) : []
    must(givers.filter((name) => approving.includes(name as (typeof custodians)[number])).length >= 3, 'three of them gave shares')
  }
}

const over = ['withdrawn', 'expired', 'held']
const lawful: Readonly<Record<string, readonly string[]>> = {
  none: ['submitted'],
  submitted: ['admitted', 'rejected', 'contested', ...over],
  admitted: ['notice', 'contested', ...over],
  notice: ['contested', 'approval', ...over],
  contested: ['approval', 'rejected', ...over],
  approval: ['coolingOff', 'rejected', ...over],
  coolingOff: ['vetoed', 'releasing', 'approval', 'rejected', ...over],
  vetoed: ['approval'],
  releasing: ['released', 'approval', 'rejected', ...over],
  released: ['closed'],
  held: ['submitted', 'admitted', 'notice', 'contested', 'approval', 'coolingOff', 'releasing', 'withdrawn', 'expired'],
}

function everyShare(): readonly string[] {
  return custodians.map((name) => keep(`share ${name}`, () => main.share(name)))
}

/** One step of a history. */
export function play(history: History, step: Action): void {
  switch (step.do) {
    case 'vote':
      return history.give({ kind: 'statement', digest: vote(step.kind, step.party, history.now, step.flaw) })
    case 'quorum':
      for (const name of step.parties)
        history.give({ kind: 'statement', digest: vote('approval', name, history.now, 'none', history.progress.vetoedAt) })
      return undefined
    case 'speech':
      return history.give({ kind: 'statement', digest: speech(step.kind, step.party, history.now) })
    case 'shares':
      everyShare()
      return history.give({ kind: 'shares', digests: step.parties.map((name) => keep(`share ${name}`, () => main.share(name))) })
    case 'jump': {
      history.now = later(history.now, step.ms)
      const before = history.progress
      history.give({ kind: 'clock' })
      must(history.now.toISOString() >= before.clock || history.progress === before, 'a clock that goes back moves nothing')
      return undefined
    }
    case 'due':
      history.now = later(new Date(dueAt(history.progress) ?? history.now), step.ms)
      return history.give({ kind: 'clock' })
    case 'act':
      return history.give(step.input)
    case 'again': {
      const known = history.tried.at(-1 - step.back)
      return known === undefined ? undefined : history.give(known)
    }
  }
}

/** Bring a history to submitted, approval, coolingOff or releasing (0 to 3): from the start alone few would come so far. */
export function lead(history: History, depth: number): void {
  const due = { do: 'due', ms: 0 } as const
  const ways: readonly (readonly Action[])[] = [
    [pass, { do: 'speech', kind: 'serve', party: 'agent' }, due],
    [{ do: 'quorum', parties: ['c1', 'c2', 'c3', 'legal1'] }],
    [due],
  ]
  for (const step of ways.slice(0, depth).flat()) play(history, step)
}

/** Play random histories to their end; how often each state was rested in comes back, because a model that goes nowhere proves nothing. */
export function playHistories(numRuns: number): ReadonlyMap<string, number> {
  const reached = new Map<string, number>()
  fc.assert(
    fc.property(fc.nat(3), fc.array(action, { minLength: 8, maxLength: 40 }), (depth, steps) => {
      const history = new History()
      lead(history, depth)
      for (const step of steps) {
        play(history, step)
        reached.set(history.progress.state.name, (reached.get(history.progress.state.name) ?? 0) + 1)
      }
      // Nothing stalls for ever: with everybody silent from here, clocks alone end it.
      for (let waits = 0; !isTerminal(history.progress.state); waits += 1) {
        must(waits < 30, 'thirty ends of windows end a request')
        history.now = new Date(dueAt(history.progress) ?? '')
        history.give({ kind: 'clock' })
      }
      const again = replay(history.accepted, { frame, at: monday, verify })
      must(
        isDeepStrictEqual(again, { progress: history.progress, events: history.events }),
        'a recorded history replays to the same request',
      )
    }),
    { numRuns, verbose: 1 },
  )
  return reached
}
