/**
 * Which epoch takes deposits, and which is burned (DESIGN section 5, "Epochs"). A share that has left its holder cannot be called back:
 * from the first one on, everything sealed to that epoch counts as exposed, and the reserve, dealt while the depositor was still there,
 * takes over without it.
 */
import type { Agreement } from '../../format/agreement.js'
import { EscrowError } from '../../core/errors.js'

/** Why an epoch must not be used any more. */
export type BurnReason = 'share-released' | 'custodian-replaced' | 'shares-lost'

export interface BurnedEpoch {
  readonly epoch: number
  readonly reason: BurnReason
  /** The share release, amendment or finding behind it. */
  readonly cause: string
  readonly at: string
}

/** What is recorded of an agreement's epochs beside the agreement itself. */
export interface EpochHistory {
  readonly burned: readonly BurnedEpoch[]
  /** The newest full deposit sealed to each epoch, by source; empty when none. */
  readonly fullDeposits: readonly { readonly epoch: number; readonly source: string }[]
}

/** What deposits are sealed to now. */
export interface EpochPlan {
  /** Null when every armed epoch is burned: sources must rest until new shares are dealt. */
  readonly current: number | null
  /** The next one; null raises an alarm, because nobody could release after the next exposure. */
  readonly reserve: number | null
  /** Sources whose next deposit must be a full one. */
  readonly fullDue: readonly string[]
  /** `EPOCH_EXPOSED` goes onto deposits while a source's newest full still rests on a burned epoch. */
  readonly exposed: readonly string[]
  readonly alarms: readonly ('no-epoch-left' | 'no-reserve')[]
}

/**
 * Burn an epoch; burning it again changes nothing and keeps the first reason.
 *
 * @throws EscrowError `NOT_FOUND` for an epoch that the agreement does not have.
 */
export function burnEpoch(history: EpochHistory, agreement: Pick<Agreement, 'vault'>, burned: BurnedEpoch): EpochHistory {
  if (!agreement.vault.epochs.some((epoch) => epoch.epoch === burned.epoch)) {
    throw new EscrowError('NOT_FOUND', `expected an epoch of the agreement, got ${burned.epoch}`)
  }
  if (history.burned.some((epoch) => epoch.epoch === burned.epoch)) return history
  return { ...history, burned: [...history.burned, burned] }
}

/**
 * Decide what deposits are sealed to.
 *
 * @param armed - epochs for which every custodian has accepted its share.
 * @returns the lowest armed epoch that is not burned as the current one, the next as reserve.
 *
 * Idempotent and needs nobody: it works when the depositor is gone.
 */
export function planEpochs(agreement: Pick<Agreement, 'vault' | 'sources'>, armed: readonly number[], history: EpochHistory): EpochPlan {
  const burned = new Set(history.burned.map((epoch) => epoch.epoch))
  const dealt = new Set(agreement.vault.epochs.map((epoch) => epoch.epoch))
  const usable = [...new Set(armed)].filter((epoch) => dealt.has(epoch) && !burned.has(epoch)).sort((left, right) => left - right)
  const [current = null, reserve = null] = usable
  const isCovered = (source: string): boolean => history.fullDeposits.some((full) => full.source === source && full.epoch === current)
  const fullDue = agreement.sources.map(({ source }) => source).filter((source) => !isCovered(source))
  const exposed = fullDue.filter((source) => history.fullDeposits.some((full) => full.source === source && burned.has(full.epoch)))
  const alarms = [...(current === null ? (['no-epoch-left'] as const) : []), ...(reserve === null ? (['no-reserve'] as const) : [])]
  return { current, reserve, fullDue, exposed, alarms }
}
