import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { rowsMax } from '../../core/limits.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { listEpochs, listVersionDigests } from '../../escrow/archive/agreement.table.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog } from '../../log/event-log.js'
import { drillAlarms, quorumAlarms, shareAlarms, type Alarm, type EpochProofs } from './alarm.js'
import { deleteAlarm, insertAlarm, listAlarms, listRetainedEpochs, listShareProofs, type AlarmRow } from './custody.table.js'
import { listLastPasses } from '../drill/drill.table.js'
import { tagSecretOf } from '../record-turn.js'
import type { Outcome } from '../order/register-order.js'
import { againOnConflict } from '../request/release-desk.js'
import { parseReleasePolicy } from '../rules/release-policy.js'

/** Raises and clears the alarms of an agreement's custody; each is an event that every party sees. */
@Injectable()
export class RaiseAlarms {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Look at one agreement. Idempotent.
   *
   * @param unavailable - who can no longer vote.
   * @returns what has changed.
   * @throws EscrowError `STORE_*`, `DATABASE_*`
   */
  async run(agreementId: string, unavailable: readonly string[], signal?: AbortSignal): Promise<readonly Outcome[]> {
    return againOnConflict(async () => {
      const known = await this.agreements.get(agreementId)
      const { release } = known.signed.body
      if (known.row.state !== 'armed' || Object.keys(release).length === 0) return []
      const now = this.clock.now()
      const alarms = await this.alarmsOf(known, unavailable, now)
      const before = await this.database.query((db) => listAlarms(db, agreementId, rowsMax))
      const raised = alarms.filter((one) => !before.some((other) => sameAlarm(one, other)))
      const cleared = before.filter((one) => !alarms.some((other) => sameAlarm(one, other)))
      if (raised.length + cleared.length === 0) return []
      await this.record(known, { raised: raised.map((one) => ({ agreementId, ...one, since: now })), cleared }, signal)
      const outcome = (one: Alarm, words: string): Outcome => ({
        agreementId,
        subject: agreementId,
        state: `${words}: ${one.alarm} ${one.about}`,
        error: null,
      })
      return [...raised.map((one) => outcome(one, 'ALARM')), ...cleared.map((one) => outcome(one, 'cleared'))]
    })
  }

  private async alarmsOf(known: KnownAgreement, unavailable: readonly string[], now: Date): Promise<readonly Alarm[]> {
    const { body } = known.signed
    const policy = parseReleasePolicy(body.release)
    const since = known.row.armedAt ?? known.row.createdAt
    const rules = { intervalDays: policy.drills.shareHealthDays, since, now }
    const passes = await this.database.query((db) => listLastPasses(db, known.row.agreementId))
    const drills = drillAlarms(passes, { intervals: policy.drills, since, now })
    return [...quorumAlarms(body, policy, unavailable), ...shareAlarms(await this.proofs(known, now), rules), ...drills]
  }

  /** Every epoch that may still be needed: in use, in reserve, or with deposits that are still kept. */
  private async proofs(known: KnownAgreement, now: Date): Promise<readonly EpochProofs[]> {
    const { agreementId } = known.row
    const rows = await this.database.query((db) => listEpochs(db, agreementId))
    const kept = await this.database.query((db) => listRetainedEpochs(db, agreementId, now))
    const proofs = await this.database.query((db) => listShareProofs(db, agreementId))
    const needed = rows.filter(({ epoch, state }) => kept.includes(epoch) || (state !== 'burned' && state !== 'dealt'))
    const found: EpochProofs[] = []
    for (const { epoch } of needed) {
      const provedAt = proofs.filter((proof) => proof.epoch === epoch).map((proof) => proof.provedAt)
      found.push({ epoch, threshold: await this.thresholdOf(known, epoch), provedAt })
    }
    return found
  }

  /** An epoch keeps the threshold of the version that dealt it. */
  private async thresholdOf(known: KnownAgreement, epoch: number): Promise<number> {
    const { vault, agreement } = known.signed.body
    if (vault.epochs.some((one) => one.epoch === epoch)) return vault.threshold
    for (const digest of (await this.database.query((db) => listVersionDigests(db, agreement))).toReversed()) {
      const { signed } = await this.agreements.version(digest)
      if (signed.body.vault.epochs.some((one) => one.epoch === epoch)) return signed.body.vault.threshold
    }
    return vault.threshold
  }

  private async record(
    known: KnownAgreement,
    { raised, cleared }: { readonly raised: readonly AlarmRow[]; readonly cleared: readonly AlarmRow[] },
    signal?: AbortSignal,
  ): Promise<void> {
    const agreement = AgreementId.parse(known.row.agreementId)
    const tagSecret = tagSecretOf(known)
    const draft = (type: 'escrow/event/alarm-raised/v1' | 'escrow/event/alarm-cleared/v1', { alarm, about }: AlarmRow) => ({
      draft: { type, agreement, subject: agreement, alarm, about },
      tagSecret,
    })
    const change = async (tx: Tx) => {
      for (const row of raised) await insertAlarm(tx, row)
      for (const row of cleared) await deleteAlarm(tx, row)
    }
    const recordings = [
      ...raised.map((row) => draft('escrow/event/alarm-raised/v1', row)),
      ...cleared.map((row) => draft('escrow/event/alarm-cleared/v1', row)),
    ]
    await this.log.recordAll(recordings, change, signal)
  }
}

function sameAlarm(left: Alarm, right: Alarm): boolean {
  return left.alarm === right.alarm && left.about === right.about
}
