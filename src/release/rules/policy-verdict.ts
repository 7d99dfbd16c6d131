/**
 * Whether people could ever satisfy a release policy. Asked when an agreement is made or amended: a policy that turns out to be
 * impossible on the day of a shutdown is a deposit lost, and one that a single person can stall is nearly so.
 */
import type { Agreement } from '../../format/agreement.js'
import type { StatementType } from '../../format/statement.js'
import { maySign } from '../../format/check-statement.js'
import { EscrowError } from '../../core/errors.js'
import { localDateOf } from './business-days.js'
import { custodianBody, electorateOf, eligible, personsOf, suffices, underOneControl, type Body } from './electorate.js'
import { termsOf, type ConditionKind, type ReleaseClocks, type ReleaseCondition, type ReleasePolicy } from './release-policy.js'

/** Rules a policy can break; each is named in the refusal. */
export type PolicyRule =
  | 'name-twice'
  | 'party-unknown'
  | 'party-unfit'
  | 'body-unreachable'
  | 'body-unanimous'
  | 'majority-too-small'
  | 'person-in-two-bodies'
  | 'arbiter-partial'
  | 'clocks-too-long'
  | 'nobody-may-request'

/** One thing that is wrong, in words that name the people concerned. */
export interface PolicyProblem {
  readonly rule: PolicyRule
  readonly text: string
}

/** Problems refuse a policy; warnings are shown to everybody who signs it. */
export interface PolicyVerdict {
  readonly problems: readonly PolicyProblem[]
  readonly warnings: readonly string[]
}

/** What of an agreement the verdict depends on. */
export type PolicyFrame = Pick<Agreement, 'parties' | 'vault' | 'jurisdiction' | 'createdAt' | 'endsAt'>

/**
 * Everything that is wrong with a policy, and everything its signers should know.
 *
 * @returns no problems when, for each condition and each beneficiary as requester, every body can approve without the requester and
 *   without unanimity.
 * @throws EscrowError `AGREEMENT_INVALID` when a condition names a calendar that the policy does not carry.
 */
export function judgeReleasePolicy(policy: ReleasePolicy, frame: PolicyFrame): PolicyVerdict {
  const problems = [
    ...nameProblems(policy),
    ...partyProblems(policy, frame),
    ...arbiterProblems(frame),
    ...policy.conditions.flatMap((condition) => clockProblems(termsOf(policy, condition.condition).clocks, condition)),
  ]
  // Bodies can be formed only from parties that exist.
  if (problems.length === 0) problems.push(...bodyProblems(policy, frame))
  return { problems, warnings: warningsOf(policy, frame) }
}

/**
 * Refuse a policy that nobody could satisfy.
 *
 * @returns the warnings to show; empty when there are none.
 * @throws EscrowError `AGREEMENT_INVALID` naming every problem's rule.
 */
export function requireSatisfiable(policy: ReleasePolicy, frame: PolicyFrame): readonly string[] {
  const { problems, warnings } = judgeReleasePolicy(policy, frame)
  const [first] = problems
  if (first === undefined) return warnings
  throw new EscrowError('AGREEMENT_INVALID', `nobody could satisfy this release policy: ${first.text}`, {
    details: { rules: [...new Set(problems.map((problem) => problem.rule))].join(' ') },
  })
}

function nameProblems(policy: ReleasePolicy): readonly PolicyProblem[] {
  const lists = [
    { what: 'calendar', names: policy.calendars.map((calendar) => calendar.calendar) },
    { what: 'condition', names: policy.conditions.map((condition) => condition.condition) },
    ...policy.conditions.map((condition) => ({
      what: `approval group of ${condition.condition}`,
      names: [custodianBody, ...condition.approvalGroups.map((group) => group.name)],
    })),
  ]
  return lists.flatMap(({ what, names }) =>
    names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name): PolicyProblem => ({ rule: 'name-twice', text: `${what} ${name} is named twice` })),
  )
}

/** The depositor has the contrary instruction and the agent runs the service: neither votes or vetoes. */
function partyProblems(policy: ReleasePolicy, frame: PolicyFrame): readonly PolicyProblem[] {
  const custodians = frame.vault.custodians.map(({ party }) => ({
    party,
    as: 'custodian',
    signs: 'escrow/statement/share-release/v1' as const,
  }))
  const uses: readonly { readonly party: string; readonly as: string; readonly signs: StatementType }[] = [
    ...custodians,
    ...policy.guardians.map((party) => ({ party, as: 'guardian', signs: 'escrow/statement/veto/v1' as const })),
    ...policy.holdSigners.map((party) => ({ party, as: 'hold signer', signs: 'escrow/statement/legal-hold/v1' as const })),
    ...policy.conditions.flatMap(({ approvalGroups }) =>
      approvalGroups.flatMap(({ name, parties }) =>
        parties.map((party) => ({ party, as: `member of ${name}`, signs: 'escrow/statement/approval/v1' as const })),
      ),
    ),
  ]
  return uses.flatMap(({ party, as, signs }): readonly PolicyProblem[] => {
    const found = frame.parties.find((candidate) => candidate.party === party)
    if (found === undefined) return [{ rule: 'party-unknown', text: `${as} ${party} is no party of the agreement` }]
    return maySign(found.role, signs)
      ? []
      : [{ rule: 'party-unfit', text: `${as} ${party} is a ${found.role}, whose statements would not count` }]
  })
}

/** "A ruling comes from the arbiter pinned in the agreement, never agent or requester" (DESIGN section 7). */
function arbiterProblems(frame: PolicyFrame): readonly PolicyProblem[] {
  const arbiters = frame.parties.filter((party) => party.role === 'arbiter')
  const partial = frame.parties.filter((party) => ['agent', 'beneficiary', 'depositor'].includes(party.role))
  return arbiters.flatMap((arbiter) =>
    partial
      .filter((party) => underOneControl(frame.parties, arbiter.party, party.party))
      .map((party): PolicyProblem => ({ rule: 'arbiter-partial', text: `arbiter ${arbiter.party} is in the hands of ${party.party}` })),
  )
}

/** A request that ran out before its longest lawful path would be stalled by its own terms. */
function clockProblems(clocks: ReleaseClocks, condition: ReleaseCondition): readonly PolicyProblem[] {
  const businessDays = clocks.formalCheckBusinessDays + clocks.noticeServedBusinessDays + clocks.objectionBusinessDays
  const hours = 2 * (clocks.approvalHours + clocks.coolingOffHours)
  const path = condition.cureDays + clocks.contestDaysMax + clocks.holdDaysTotalMax + clocks.freezeDaysMax + clocks.releasingDays
  // Twice for weekends and holidays.
  const days = 2 * businessDays + Math.ceil(hours / 24) + path
  if (days <= clocks.requestDaysMax) return []
  return [
    {
      rule: 'clocks-too-long',
      text: `a request under ${condition.condition} may need ${days} days and ends after ${clocks.requestDaysMax} (requestDaysMax)`,
    },
  ]
}

function bodyProblems(policy: ReleasePolicy, frame: PolicyFrame): readonly PolicyProblem[] {
  const beneficiaries = frame.parties.filter((party) => party.role === 'beneficiary')
  if (beneficiaries.length === 0) return [{ rule: 'nobody-may-request', text: 'the agreement has no beneficiary' }]
  return policy.conditions.flatMap(({ condition, kind, approvalGroups }) => [
    ...twiceProblems(frame, [
      { name: custodianBody, parties: frame.vault.custodians.map((custodian) => custodian.party) },
      ...approvalGroups,
    ]),
    ...askers(frame, kind).flatMap((party) =>
      electorateOf({ ...frame, approvalGroups }, { requesters: [party] }).flatMap((body) =>
        bodyProblem(body, `when ${party} asks under ${condition}`),
      ),
    ),
  ])
}

/** Who may be a requester; under an order its registrants are, and a supervisor is one of them. */
function askers(frame: PolicyFrame, kind: ConditionKind): readonly string[] {
  const roles = kind === 'shutdown-order' ? ['beneficiary', 'supervisor', 'depositor'] : ['beneficiary']
  return frame.parties.filter((party) => roles.includes(party.role)).map((party) => party.party)
}

function bodyProblem(body: Body, when: string): readonly PolicyProblem[] {
  const voters = eligible(body)
  const text = (what: string): string => `${body.name} ${what}, ${when}`
  if (!suffices(body, voters)) {
    return [{ rule: 'body-unreachable', text: text(`need ${body.need} far enough apart and have ${voters.length} who may vote`) }]
  }
  if (body.need >= voters.length) {
    return [{ rule: 'body-unanimous', text: text(`need all ${voters.length} who may vote, so that any one of them could stall`) }]
  }
  if (body.rule === 'majority' && body.need * 2 <= voters.length) {
    return [{ rule: 'majority-too-small', text: text(`need ${body.need} of ${voters.length}, which is no majority`) }]
  }
  return []
}

function twiceProblems(
  frame: PolicyFrame,
  bodies: readonly { readonly name: string; readonly parties: readonly string[] }[],
): readonly PolicyProblem[] {
  const persons = personsOf(frame.parties)
  const seats = new Map<string, string>()
  const problems: PolicyProblem[] = []
  for (const { name, parties } of bodies) {
    for (const party of parties) {
      const person = persons.get(party) ?? party
      const seat = seats.get(person)
      if (seat !== undefined) problems.push({ rule: 'person-in-two-bodies', text: `${party} of ${name} already votes among ${seat}` })
      seats.set(person, `${name} (as ${party})`)
    }
  }
  return problems
}

function warningsOf(policy: ReleasePolicy, frame: PolicyFrame): readonly string[] {
  const warnings: string[] = []
  if (policy.title.basis === 'custody') warnings.push(policy.title.warning)
  if (!frame.parties.some((party) => party.role === 'arbiter')) {
    warnings.push('No arbiter is pinned: nobody can rule, so every contestation lasts until contestDaysMax and then goes to approval.')
  }
  if (policy.guardians.length === 0) warnings.push('No guardian is named: nobody can veto in the cooling-off.')
  for (const { condition, kind, cureDays } of policy.conditions) {
    const { clocks } = termsOf(policy, condition)
    const heard = clocks.objectionBusinessDays > 0 || cureDays > 0
    if (!heard && kind !== 'depositor-consent') warnings.push(`Under ${condition} the depositor has no time to object.`)
  }
  const year = yearWithoutHolidays(policy, frame)
  if (year !== null) warnings.push(`Calendar ${policy.calendar} names no holiday in ${year}: business days are counted too short there.`)
  return warnings
}

function yearWithoutHolidays(policy: ReleasePolicy, frame: PolicyFrame): string | null {
  const calendar = policy.calendars.find((candidate) => candidate.calendar === policy.calendar)
  if (calendar === undefined) return null
  const years = new Set(calendar.holidays.map((day) => day.slice(0, 4)))
  const [first, last] = [frame.createdAt, frame.endsAt].map((at) => Number(localDateOf(new Date(at), calendar.timeZone).slice(0, 4)))
  for (let year = first ?? 0; year <= (last ?? 0); year += 1) if (!years.has(String(year))) return String(year)
  return null
}
