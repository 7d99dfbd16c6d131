/**
 * What is wrong with the custody of an agreement while nobody asks for anything: found now, put right now, instead of on the day of a
 * shutdown.
 */
import type { Agreement } from '../../format/agreement.js'
import type { AlarmName } from '../../format/event.js'
import { overdueDrills } from '../drill/drill.js'
import { electorateOf, eligible, suffices } from '../rules/electorate.js'
import type { DrillIntervals, ReleasePolicy } from '../rules/release-policy.js'

/** One alarm; `about` tells several of a kind apart: a condition, or the number of an epoch. */
export interface Alarm {
  readonly alarm: AlarmName
  readonly about: string
}

/** The newest proof of each custodian that it holds its share of an epoch. */
export interface EpochProofs {
  readonly epoch: number
  readonly threshold: number
  readonly provedAt: readonly Date[]
}

const dayMs = 86_400_000

/**
 * Conditions under which nobody could release any more.
 *
 * @param unavailable - parties that lost share, key or standing.
 * @returns one alarm for each condition with a body that can no longer reach its quorum.
 */
export function quorumAlarms(agreement: Agreement, policy: ReleasePolicy, unavailable: readonly string[]): readonly Alarm[] {
  const { parties, vault, jurisdiction } = agreement
  return policy.conditions
    .filter(({ approvalGroups }) =>
      electorateOf({ parties, vault, jurisdiction, approvalGroups }, { requesters: [], unavailable }).some(
        (body) => !suffices(body, eligible(body)),
      ),
    )
    .map(({ condition }) => ({ alarm: 'quorum-impossible', about: condition }))
}

/**
 * Epochs of which too few shares were proved in time: one more loss, and nobody can open what is sealed to them.
 *
 * @param rules.since - before the first proof could be due, from when the vault was armed.
 */
export function shareAlarms(
  epochs: readonly EpochProofs[],
  rules: { readonly intervalDays: number; readonly since: Date; readonly now: Date },
): readonly Alarm[] {
  const oldest = rules.now.getTime() - rules.intervalDays * dayMs
  if (rules.since.getTime() > oldest) return []
  return epochs
    .filter(({ provedAt, threshold }) => provedAt.filter((at) => at.getTime() >= oldest && at <= rules.now).length < threshold + 1)
    .map(({ epoch }) => ({ alarm: 'share-health-overdue', about: String(epoch) }))
}

/**
 * Rehearsals that are overdue.
 *
 * @param passes - when drills of each kind last passed.
 */
export function drillAlarms(
  passes: readonly { readonly kind: 'approval' | 'restore'; readonly passedAt: Date | null }[],
  rules: { readonly intervals: DrillIntervals; readonly since: Date; readonly now: Date },
): readonly Alarm[] {
  const last = (kind: 'approval' | 'restore') => passes.find((pass) => pass.kind === kind)?.passedAt?.toISOString() ?? null
  // Proofs of shares are counted for each epoch; here they are always fresh.
  const all = { approval: last('approval'), restore: last('restore'), 'share-health': rules.now.toISOString() }
  const overdue = overdueDrills(all, { ...rules, since: rules.since.toISOString() }).map(({ kind }) => kind)
  const names = { approval: 'approval-drill-overdue', restore: 'restore-drill-overdue' } as const
  return overdue.flatMap((kind) => (kind === 'share-health' ? [] : [{ alarm: names[kind], about: 'agreement' }]))
}
