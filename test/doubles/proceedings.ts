// A request of the consortium as its parties bring it on, with its clock: reads like minutes.
import { sha256Hex } from '../../src/crypto/digest.js'
import { submit, advance, type ReleaseInput } from '../../src/release/rules/release-request.js'
import type { Advance, ReleaseEvent, ReleaseProgress, RequestFrame } from '../../src/release/rules/release-state.js'
import { Consortium, evidence, type Circumstances } from './consortium.js'
import { dayMs, later, monday } from './moments.js'
import type { Matter, StatementName } from './statement-matter.js'

/** An age file in form; nothing is in it. */
export function sealedShare(of: string): string {
  const body = Buffer.from(sha256Hex(Buffer.from(of)).padEnd(80, '0'))
  const line = 'A'.repeat(43)
  return Buffer.concat([Buffer.from(`age-encryption.org/v1\n-> X25519 ${line}\n${line}\n--- ${line}\n`), body]).toString('base64')
}

/** One request with its clock: reads like minutes. */
export class Proceedings {
  progress: ReleaseProgress
  readonly events: ReleaseEvent[]
  readonly inputs: { readonly input: ReleaseInput; readonly at: Date }[] = []
  now: Date

  constructor(
    readonly house: Consortium,
    readonly frame: RequestFrame,
    readonly started: Date = monday,
    unavailable: readonly string[] = [],
  ) {
    this.now = started
    const step = submit({ frame, now: started, verify: house.verify }, unavailable)
    this.progress = step.progress
    this.events = [...step.events]
  }

  get state(): string {
    return this.progress.state.name
  }

  give(input: ReleaseInput): Advance {
    const step = advance(this.progress, input, { frame: this.frame, now: this.now, verify: this.house.verify })
    this.progress = step.progress
    this.events.push(...step.events)
    this.inputs.push({ input, at: this.now })
    return step
  }

  /** Let time pass, then let the clock tick once. */
  wait(ms: number): void {
    this.now = later(this.now, ms)
    this.give({ kind: 'clock' })
  }

  /** Let the window end. */
  waitOut(): void {
    const { state } = this.progress
    if (!('until' in state)) throw new Error(`${state.name} does not end`)
    this.now = new Date(Math.max(Date.parse(state.until), this.now.getTime()))
    this.give({ kind: 'clock' })
  }

  say<Name extends StatementName>(name: Name, party: string, matter: Matter<Name>, how: Circumstances = {}): string {
    const digest = this.house.sign(name, party, matter, { at: this.now, ...how })
    this.give({ kind: 'statement', digest })
    return digest
  }

  approve(party: string, how: Circumstances = {}): string {
    return this.say('approval', party, { covers: [this.cover()], reason: 'The evidence is complete.' }, how)
  }

  refuse(party: string): string {
    return this.say('refusal', party, {
      covers: [{ requestDigest: this.frame.digest, agreement: this.frame.agreement }],
      reason: 'I am not convinced.',
    })
  }

  check(passed = true): string {
    return this.say('formal-check', 'agent', { requestDigest: this.frame.digest, passed, reason: passed ? null : 'aa'.repeat(32) })
  }

  serve(by = 'agent'): string {
    return this.say('notice-served', by, { subject: this.frame.digest, proof: 'aa'.repeat(32) })
  }

  object(grounds = 'We are not bankrupt.', documents: readonly string[] = []): string {
    return this.say('contrary-instruction', 'vendor', { requestDigest: this.frame.digest, grounds, evidence: documents.map(evidence) })
  }

  rule(outcome: 'proceed' | 'reject' | 'stay', by = 'arbiter'): string {
    const subject = { kind: 'request', digest: this.frame.digest } as const
    return this.say('ruling', by, { subject, outcome, grounds: 'Having heard both sides.', evidence: [] })
  }

  withdraw(by = 'alpha'): string {
    return this.say('withdrawal', by, { requestDigest: this.frame.digest, reason: 'Settled.' })
  }

  veto(by = 'guardian'): string {
    return this.say('veto', by, { requestDigest: this.frame.digest, reason: 'Wait for the appeal.' })
  }

  hold(by = 'ministry', days = 5, action: 'place' | 'lift' = 'place'): string {
    const until = later(this.now, days * dayMs).toISOString()
    return this.say('legal-hold', by, { action, requestDigest: this.frame.digest, until, reference: 'HOLD 1', reason: 'Inquiry.' })
  }

  cover() {
    const { digest, agreement, epoch, recipients } = this.frame
    return { requestDigest: digest, agreement, epoch, recipients: [...recipients] }
  }

  /** A signed share release; not given to the request yet. */
  share(party: string, change: Partial<Matter<'share-release'>> = {}, how: Circumstances = {}): string {
    const index = this.frame.roster.vault.custodians.find((custodian) => custodian.party === party)?.index ?? 1
    const sealedShares = this.frame.recipients.map((recipient) => ({ recipient, file: sealedShare(`${party} ${recipient}`) }))
    return this.house.sign(
      'share-release',
      party,
      { requestDigest: this.frame.digest, index, sealedShares, ...change },
      { at: this.now, ...how },
    )
  }

  deliver(...parties: readonly string[]): void {
    this.give({ kind: 'shares', digests: parties.map((party) => this.share(party)) })
  }

  /** These and nobody else have lost their shares; the ministry says so. */
  lose(parties: readonly string[]): void {
    const decidedBy = { digest: 'ab'.repeat(32), party: 'ministry', type: 'escrow/statement/availability/v1' as const }
    this.give({ kind: 'unavailable', parties, decidedBy })
  }

  /** From submission to approval, with the notice served and nobody objecting. */
  reachApproval(): void {
    this.check()
    this.serve()
    this.waitOut()
  }

  reachCoolingOff(): void {
    this.reachApproval()
    for (const party of ['c1', 'c2', 'c3', 'legal1']) this.approve(party)
  }

  reachReleasing(): void {
    this.reachCoolingOff()
    this.waitOut()
  }
}

const everyday = new Consortium()

/** Start a request of alpha; in the everyday consortium, unless a test changes something about it. */
export function open(house = everyday, unavailable: readonly string[] = []): Proceedings {
  return new Proceedings(house, house.frame(house.request()), monday, unavailable)
}
