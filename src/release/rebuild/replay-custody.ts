/**
 * What the log tells of the custody of agreements beside requests: alarms, the dead man's switch, rehearsals, proofs of shares. Nothing is
 * decided here; rows come back as the events left them, and the next look decides anew.
 */
import type { ShareHealthRow } from '../../escrow/archive/share.table.js'
import type { Event, EventOf } from '../../format/event.js'
import { AgreementId } from '../../format/ids.js'
import type { StatementOf } from '../../format/statement.js'
import { EscrowError } from '../../core/errors.js'
import { objectKeys } from '../../store/object-key.js'
import type { AlarmRow, SilenceRow } from '../custody/custody.table.js'
import type { DrillRow } from '../drill/drill.table.js'

/** Rows as they were before the index was lost. */
export interface ReplayedCustody {
  readonly alarms: readonly AlarmRow[]
  readonly silences: readonly Omit<SilenceRow, 'revision'>[]
  readonly drills: readonly DrillRow[]
  /** The newest proof of each share. */
  readonly shareProofs: readonly ShareHealthRow[]
}

/** Replays events one after the other, in the order of the log. */
export class ReplayCustody {
  readonly #alarms = new Map<string, AlarmRow>()
  readonly #silences = new Map<string, Omit<SilenceRow, 'revision'>>()
  readonly #drills = new Map<string, DrillRow>()
  readonly #proofs = new Map<string, ShareHealthRow>()
  /** Digest of the version in force, by agreement. */
  readonly #inForce = new Map<string, string>()

  /** @param proofOf - a proof of a share that an event tells of, verified. @throws EscrowError `CHAIN_BROKEN`; as `proofOf` */
  async apply(event: Event, proofOf: (event: EventOf<'statement-recorded'>) => Promise<StatementOf<'share-health'>>): Promise<void> {
    const about = 'alarm' in event ? `${event.agreement} ${event.alarm} ${event.about}` : ''
    if (event.type === 'escrow/event/agreement-registered/v1' || event.type === 'escrow/event/agreement-amended/v1')
      this.#inForce.set(event.agreement, event.digest)
    else if (event.type === 'escrow/event/alarm-raised/v1')
      this.#alarms.set(about, { agreementId: event.agreement, alarm: event.alarm, about: event.about, since: new Date(event.at) })
    else if (event.type === 'escrow/event/alarm-cleared/v1') this.#alarms.delete(about)
    else if (event.type === 'escrow/event/silence-advanced/v1') this.silence(event)
    else if (event.type === 'escrow/event/drill-started/v1') this.started(event)
    else if (event.type === 'escrow/event/drill-reported/v1') this.reported(event)
    else if (event.type === 'escrow/event/statement-recorded/v1' && event.statementType === 'escrow/statement/share-health/v1')
      this.proof(event, await proofOf(event))
  }

  result(): ReplayedCustody {
    return {
      alarms: [...this.#alarms.values()],
      silences: [...this.#silences.values()],
      drills: [...this.#drills.values()],
      shareProofs: [...this.#proofs.values()],
    }
  }

  /** The depositor is looked for at once: a sign of life may have come meanwhile. */
  private silence({ agreement, to, until, reasons, at }: EventOf<'silence-advanced'>): void {
    const watch = to === 'present' || until === null ? { name: 'present' as const } : { name: to, since: at, until, reasons }
    this.#silences.set(agreement, { agreementId: agreement, watch, lookAt: new Date(at) })
  }

  private started({ agreement, drill, kind, endsAt, at }: EventOf<'drill-started'>): void {
    const summonsKey = objectKeys.drillDocument(AgreementId.parse(agreement), drill, drill)
    const agreementDigest = this.#inForce.get(agreement) ?? ''
    const open = { outcome: null, report: null, closedAt: null }
    const times = { startedAt: new Date(at), endsAt: new Date(endsAt) }
    this.#drills.set(drill, { drillDigest: drill, agreementId: agreement, agreementDigest, kind, summonsKey, ...times, ...open })
  }

  /** Of an approval drill the answers are left out: they are counted from the votes, which lie beside the summons. */
  private reported({ drill, kind, outcome, at, ...measured }: EventOf<'drill-reported'>): void {
    const row = this.#drills.get(drill)
    if (row === undefined) throw new EscrowError('CHAIN_BROKEN', `a report of drill ${drill.slice(0, 16)} comes before the drill`)
    const { recoveryTimeMinutes, recoveryPointMinutes } = measured
    const report = kind === 'restore' ? { outcome, recoveryTimeMinutes, recoveryPointMinutes } : null
    this.#drills.set(drill, { ...row, outcome, report, closedAt: new Date(at) })
  }

  private proof({ agreement, statement }: EventOf<'statement-recorded'>, { epoch, index, issuedAt }: StatementOf<'share-health'>): void {
    const key = `${agreement} ${epoch} ${index}`
    const provedAt = new Date(issuedAt)
    if ((this.#proofs.get(key)?.provedAt ?? new Date(0)) >= provedAt) return
    this.#proofs.set(key, { agreementId: agreement, epoch, custodianIndex: index, statementDigest: statement, provedAt })
  }
}
