// A verified case for a person's eyes: who, what, why, evidence, clocks, every vote and objection with its words, and whom it would go to.
import { fingerprintWords } from '../../../crypto/fingerprint-words.js'
import { partyOf } from '../../../format/signed-agreement.js'
import { isVote, type Tally, type VerifiedStatement } from '../../../release/rules/quorum.js'
import { contestEnds, windowEnd, type WindowName } from '../../../release/rules/release-clocks.js'
import { columns } from '../../command.js'
import type { OpenedCase } from './holder-case.js'
import { countVotes, loggedState } from './holder-case-votes.js'

/** What `show` prints, and what `approve` prints before it signs. @param now - decides which approvals still live. */
export function linesOf(one: OpenedCase, now: Date): readonly string[] {
  const { request, frame, orders } = one
  const { statement } = request
  const { state, since } = loggedState(one)
  return [
    `${statement.request}  ${state} since ${since}`,
    ...columns([
      ['agreement', `${one.agreement.body.title}; the digest is the one you pinned`],
      ['asked by', frame.requesters.map((name) => describeParty(one, name)).join(', ')],
      ['condition', `${frame.terms.condition} (${frame.terms.kind})`],
      ['grounds', statement.grounds],
      ...statement.deposits.map(({ source, sequence }): [string, string] => [
        'deposit',
        `${source}, ${sequence ?? 'the newest that opens'}`,
      ]),
      ...orders.map(({ signer }): [string, string] => ['order signed by', describeParty(one, signer)]),
      ...one.evidence.map(({ title, signer, path, sha256 }): [string, string] => [
        'evidence',
        `${title}, of ${signer}: ${path === null ? `NOT HERE, sha256 ${sha256}` : `${path}, as signed for`}`,
      ]),
      ...clockRows(one),
      ...tallyRows(countVotes(one, now)),
      ...spokenRows(one),
      ['log', one.unlogged ? 'none: the service is gone, as witnesses attest' : `${one.events.length} events, each proven; no gap`],
    ]),
    ...recipientLines(one),
  ]
}

/** To whom a share would be sealed. */
export function recipientLines(one: OpenedCase): readonly string[] {
  return one.request.statement.beneficiaries.flatMap(({ party, recipient }) =>
    columns([
      ['goes to', describeParty(one, party)],
      ['key in words', fingerprintWords(recipient)],
    ]),
  )
}

/** The same for programs. */
export function jsonOf(one: OpenedCase, now: Date) {
  const { request, frame, orders } = one
  const { bodies, verdict } = countVotes(one, now)
  return {
    request: request.statement.request,
    digest: frame.digest,
    ...loggedState(one),
    until: endOfState(one),
    condition: frame.terms.condition,
    grounds: request.statement.grounds,
    deposits: request.statement.deposits,
    evidence: one.evidence,
    orders: orders.map(({ digest, signer }) => ({ digest, signer })),
    beneficiaries: request.statement.beneficiaries.map(({ party, recipient }) => ({
      party,
      recipient,
      words: fingerprintWords(recipient),
    })),
    votes: { verdict, bodies },
    spoken: spokenIn(one),
    hidden: one.hidden.map(({ digest, signer, statement }) => ({ digest, signer, type: statement.type })),
    events: one.events.length,
  }
}

function describeParty(one: OpenedCase, name: string): string {
  const { role, organisation, standing } = partyOf(one.agreement.body, name)
  return `${name}, ${role} (${organisation}, ${standing.country})`
}

function clockRows(one: OpenedCase): readonly (readonly [string, string])[] {
  const { approvalHours, coolingOffHours, objectionBusinessDays } = one.frame.terms.clocks
  const until = endOfState(one)
  return [
    ...(until === null ? [] : [['ends', `${until}, unless somebody acts before`] as const]),
    [
      'clocks',
      `objection ${objectionBusinessDays} business days, approval ${approvalHours} h, cooling-off ${coolingOffHours} h; silence is refusal`,
    ],
  ]
}

const windows = new Set<string>(['submitted', 'admitted', 'notice', 'approval', 'coolingOff', 'releasing', 'released'])

/** Reckoned here from the pinned clocks and from when the log shows that the state began; null for a state without an end of its own. */
function endOfState(one: OpenedCase): string | null {
  const { state, since } = loggedState(one)
  if (state === 'contested') return contestEnds(new Date(since), one.frame.terms).rulingBy.toISOString()
  return windows.has(state) ? windowEnd(state as WindowName, new Date(since), one.frame).toISOString() : null
}

function tallyRows({ bodies }: Tally): readonly (readonly [string, string])[] {
  return bodies.map((body) => [
    body.body,
    `${body.approvals.length} of ${body.need} approve (${body.approvals.join(', ') || 'nobody'}); refused by ${body.refusals.join(', ') || 'nobody'}`,
  ])
}

/** What a party said, and when the log took it down. */
interface Spoken {
  readonly at: string | null
  readonly signer: string
  readonly what: string
  readonly words: string
}

function spokenIn(one: OpenedCase): readonly Spoken[] {
  const { recorded } = one
  const said = (verified: VerifiedStatement): Spoken => {
    const { digest, signer, statement } = verified
    const words = ('reason' in statement ? statement.reason : 'grounds' in statement ? statement.grounds : '') ?? ''
    return { at: recorded.get(digest) ?? null, signer, what: nameOf(verified), words }
  }
  return one.statements.map(said).toSorted((left, right) => ((left.at ?? '') < (right.at ?? '') ? -1 : 1))
}

function nameOf({ statement }: VerifiedStatement): string {
  const name = statement.type.split('/').at(-2) ?? statement.type
  return isVote(statement) || !('outcome' in statement) ? name : `${name}: ${statement.outcome}`
}

function spokenRows(one: OpenedCase): readonly (readonly [string, string])[] {
  const rows = spokenIn(one).map(({ at, signer, what, words }): [string, string] => [
    at === null ? 'NOT IN THE LOG' : at,
    `${what} by ${signer}${words === '' ? '' : `: ${words}`}`,
  ])
  const hidden = one.hidden.map((verified): [string, string] => [
    'HIDDEN FROM LOG',
    `${nameOf(verified)} by ${verified.signer}, which you received yourself`,
  ])
  return [...rows, ...hidden]
}
