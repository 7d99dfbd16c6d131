/**
 * The `release` part of an agreement: on which conditions, by whose approval and by which clocks its material is handed out. Data
 * only. The defaults below belong to v1 and never change: an agreement signed without a field means the default it was signed under.
 */
import { z } from 'zod'
import { custodiansMax, partiesMax } from '../../core/limits.js'
import { EscrowError } from '../../core/errors.js'
import type { Agreement } from '../../format/agreement.js'
import { Country, Slug } from '../../format/ids.js'
import { BusinessCalendar } from './business-days.js'
import { AccessNetworkPolicy } from './network-rule.js'

export const ConditionKind = z.enum([
  'shutdown-order',
  'insolvency',
  'end-of-support',
  'cessation',
  'missed-deposits',
  'depositor-consent',
  'other',
])
export type ConditionKind = z.infer<typeof ConditionKind>

const days = (max: number) => z.number().int().min(0).max(max)
const hours = (max: number) => z.number().int().min(0).max(max)

/**
 * Every clock of DESIGN section 7. Business days are those of `calendar`. A window of 0 is passed at once; the windows in which
 * people must act have a floor of one.
 */
export const ReleaseClocks = z.strictObject({
  formalCheckBusinessDays: days(60).default(2),
  noticeServedBusinessDays: days(60).default(1),
  objectionBusinessDays: days(250).default(10),
  /** From the window's opening to its end; whoever is silent has refused. */
  approvalHours: hours(2160).min(1).default(72),
  coolingOffHours: hours(2160).default(24),
  /** After this the custodians' delivery is overdue and every party is told. */
  deliveryHours: hours(2160).min(1).default(24),
  /** After this a request whose shares did not come is over. */
  releasingDays: days(366).min(1).default(14),
  /** A contestation without docket evidence counts no longer than this. */
  docketDays: days(366).min(1).default(10),
  /** An unruled contestation goes to approval after this. */
  contestDaysMax: days(1000).min(1).default(180),
  /** One hold at most, and all holds of a request together. */
  holdDaysMax: days(366).min(1).default(30),
  holdDaysTotalMax: days(366).min(1).default(90),
  /** How long a request waits for a quorum that has become impossible to be repaired. */
  freezeDaysMax: days(366).min(1).default(30),
  /** How long the log must have been silent, as witnesses attest, before holders may act from files alone. */
  logUnavailableDays: days(366).min(1).default(7),
  /** How long beneficiaries may fetch what was released. */
  grantDays: days(3660).min(1).default(30),
  /** Whatever happens, a request ends then. */
  requestDaysMax: days(3660).min(1).default(1000),
})
export type ReleaseClocks = z.infer<typeof ReleaseClocks>

/** Both need `k` approvals. `any-deny`: one refusal refuses. `majority`: `k` is a majority, and so many must refuse that it is out of reach. */
export const GroupRule = z.enum(['any-deny', 'majority'])
export type GroupRule = z.infer<typeof GroupRule>

export const ApprovalGroup = z.strictObject({
  name: Slug,
  parties: z.array(Slug).min(2).max(partiesMax),
  k: z.number().int().min(1).max(custodiansMax),
  rule: GroupRule,
})
export type ApprovalGroup = z.infer<typeof ApprovalGroup>

export const ReleaseCondition = z.strictObject({
  condition: Slug,
  kind: ConditionKind,
  /** What must lie with the request, by name: `order-document`, `court-register-extract`, ... */
  evidence: z.array(Slug).max(50).default([]),
  /** Calendar days in which the depositor may put the matter right; runs beside the objection window, the later one ends both. */
  cureDays: days(366).default(0),
  /** The service proposes a request by itself when it sees the condition; people still decide. */
  automatic: z.boolean().default(false),
  approvalGroups: z.array(ApprovalGroup).max(20).default([]),
  /** Clocks that differ from the policy's own. */
  clocks: z.partialRecord(ReleaseClocks.keyof(), z.number().int().min(0).max(3660)).default({}),
})
export type ReleaseCondition = z.infer<typeof ReleaseCondition>

/** What parties must read and sign when the agent only keeps the deposit: some insolvency laws count kept goods to the debtor's estate. */
export const custodyWarning =
  "The agent keeps the deposit in custody and does not own it. If the depositor becomes insolvent, bankruptcy law may count the deposit, or the licence to use it, to the depositor's estate and stop its release. Fiduciary ownership avoids this."

export const TitleBasis = z.discriminatedUnion('basis', [
  z.strictObject({ basis: z.literal('fiduciary-ownership') }),
  z.strictObject({ basis: z.literal('custody'), warning: z.literal(custodyWarning) }),
])
export type TitleBasis = z.infer<typeof TitleBasis>

/** What beneficiaries may do with what they received, and what they owe. */
export const LicenceScope = z.strictObject({
  scope: z.string().min(1).max(8000),
  territory: z.array(Country).max(250).default([]),
  sublicensable: z.boolean().default(false),
  /** Days after the grant by which a beneficiary must return or destroy its copies; null when it may keep them. */
  returnOrDestroyDays: z.number().int().min(1).max(36_600).nullable().default(null),
})
export type LicenceScope = z.infer<typeof LicenceScope>

/** How often each rehearsal is due. Share-health is asked every quarter unless parties want it oftener. */
export const DrillIntervals = z.strictObject({
  approvalDrillDays: z.number().int().min(1).max(1100).default(365),
  restoreDrillDays: z.number().int().min(1).max(1100).default(180),
  shareHealthDays: z.number().int().min(1).max(366).default(91),
})
export type DrillIntervals = z.infer<typeof DrillIntervals>

/** When silence of the depositor becomes a condition by itself (DESIGN section 7, "Dead man's switch"). */
export const SilenceLimits = z.strictObject({
  /** Days after a source's deposit was due, grace included, before the depositor is told. */
  noticeAfterDays: z.number().int().min(1).max(366).default(7),
  /** Days after that notice until a request is proposed. */
  proposeAfterDays: z.number().int().min(1).max(366).default(7),
  /** Days in which a beneficiary may take the proposal up. */
  proposalDays: z.number().int().min(1).max(366).default(30),
  /** Days between heartbeats; null when none are agreed. */
  heartbeatDays: z.number().int().min(1).max(366).nullable().default(null),
})
export type SilenceLimits = z.infer<typeof SilenceLimits>

export const ReleasePolicy = z.strictObject({
  type: z.literal('escrow/release-policy/v1'),
  calendars: z.array(BusinessCalendar).min(1).max(50),
  /** Which of the calendars counts business days. */
  calendar: Slug,
  clocks: ReleaseClocks.prefault({}),
  conditions: z.array(ReleaseCondition).min(1).max(50),
  /** Each may veto once in the cooling-off of a request; all of them together only once. */
  guardians: z.array(Slug).max(partiesMax).default([]),
  /** Who may place a legal hold. Holds name their signer and expire. */
  holdSigners: z.array(Slug).max(partiesMax).default([]),
  licence: LicenceScope,
  title: TitleBasis,
  drills: DrillIntervals.prefault({}),
  silence: SilenceLimits.prefault({}),
  /** From where beneficiaries may fetch; null when anywhere. */
  network: AccessNetworkPolicy.nullable().default(null),
})
export type ReleasePolicy = z.infer<typeof ReleasePolicy>

/**
 * Read the `release` part of an agreement.
 *
 * @param part - attacker-controlled; the agreement's own parser has capped its size and depth.
 * @returns the policy with every default filled in.
 * @throws EscrowError `AGREEMENT_INVALID` naming the first field that is wrong. Whether anybody could satisfy it: `checkReleasePolicy`.
 */
export function parseReleasePolicy(part: unknown): ReleasePolicy {
  const parsed = ReleasePolicy.safeParse(part)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = ['release', ...(issue?.path ?? [])].map(String).join('.')
  throw new EscrowError('AGREEMENT_INVALID', `${where}: ${issue?.message ?? 'expected a release policy'}`)
}

/** The calendar that an agreement's business days are those of. Where nothing was agreed, every day but the weekend counts, in UTC. */
export function agreedCalendar({ release }: Pick<Agreement, 'release'>): BusinessCalendar {
  const policy = Object.keys(release).length === 0 ? null : parseReleasePolicy(release)
  const agreed = policy?.calendars.find((candidate) => candidate.calendar === policy.calendar)
  return agreed ?? { calendar: 'utc', timeZone: 'UTC', weekend: [6, 7], holidays: [] }
}

/** One condition with everything that governs a request under it: the terms that a submission freezes. */
export interface ReleaseTerms {
  readonly condition: string
  readonly kind: ConditionKind
  readonly evidence: readonly string[]
  readonly cureDays: number
  readonly approvalGroups: readonly ApprovalGroup[]
  readonly clocks: ReleaseClocks
  readonly calendar: BusinessCalendar
  readonly guardians: readonly string[]
  readonly holdSigners: readonly string[]
}

/**
 * What governs a request under one condition: its own clocks where it has any, the policy's otherwise.
 *
 * @throws EscrowError `NOT_FOUND` when the policy has no such condition; `AGREEMENT_INVALID` when it names a calendar it does not carry
 *   or a clock below its floor.
 */
export function termsOf(policy: ReleasePolicy, condition: string): ReleaseTerms {
  const found = policy.conditions.find((candidate) => candidate.condition === condition)
  if (found === undefined) throw new EscrowError('NOT_FOUND', `the agreement has no release condition ${condition}`)
  const calendar = policy.calendars.find((candidate) => candidate.calendar === policy.calendar)
  if (calendar === undefined) throw new EscrowError('AGREEMENT_INVALID', `release.calendar: no calendar is called ${policy.calendar}`)
  const clocks = ReleaseClocks.safeParse({ ...policy.clocks, ...found.clocks })
  if (!clocks.success) {
    const name = String(clocks.error.issues[0]?.path[0] ?? 'clocks')
    throw new EscrowError('AGREEMENT_INVALID', `release.conditions.${condition}.clocks.${name}: outside its range`)
  }
  const { kind, evidence, cureDays, approvalGroups } = found
  const { guardians, holdSigners } = policy
  return { condition, kind, evidence, cureDays, approvalGroups, clocks: clocks.data, calendar, guardians, holdSigners }
}
