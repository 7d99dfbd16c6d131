import { Inject, Injectable } from '@nestjs/common'
import type { Tx } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { insertNewStatement } from '../release.table.js'
import type { ApprovalDrillReport, RestoreDrillReport } from './drill.js'
import { closeDrill, type DrillRow } from './drill.table.js'
import { recordedDraft, statementRow, tagSecretOf, type FreshStatement } from '../record-turn.js'

type Report = ApprovalDrillReport | RestoreDrillReport

/** A turn of a drill: an answer, its report, or both. */
export interface DrillTurn {
  readonly known: KnownAgreement
  readonly row: DrillRow
  readonly fresh: Pick<FreshStatement, 'verified' | 'key'> | null
  readonly at: Date
}

/** Writes what happens in drills: rows and log entries in one transaction, after the documents are stored. */
@Injectable()
export class DrillLog {
  constructor(@Inject(EventLog) private readonly log: EventLog) {}

  /** Record an answer. @throws EscrowError `DATABASE_CONFLICT` when it was recorded meanwhile; `STORE_*` */
  async answer(turn: DrillTurn, signal?: AbortSignal): Promise<void> {
    await this.write(turn, [], () => Promise.resolve(), signal)
  }

  /** Close a drill with its report. @throws EscrowError `DATABASE_CONFLICT` when somebody else has closed it; `STORE_*` */
  async close(turn: DrillTurn & { readonly report: Report }, signal?: AbortSignal): Promise<void> {
    const { row, report, at } = turn
    const agreement = AgreementId.parse(row.agreementId)
    const measured = 'quorumMinutes' in report ? { ...nothing, quorumMinutes: report.quorumMinutes } : { ...nothing, ...timesOf(report) }
    const draft: EventDraft = {
      type: 'escrow/event/drill-reported/v1',
      agreement,
      subject: agreement,
      drill: row.drillDigest,
      kind: row.kind,
      outcome: report.outcome,
      ...measured,
    }
    const closing = { outcome: report.outcome, report, closedAt: at }
    await this.write(turn, [draft], (tx) => closeDrill(tx, row.drillDigest, closing), signal)
  }

  private async write(
    { known, row, fresh, at }: DrillTurn,
    drafts: readonly EventDraft[],
    change: (tx: Tx) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const agreement = AgreementId.parse(row.agreementId)
    const answered = fresh === null ? [] : [recordedDraft(fresh, { agreement, subject: agreement })]
    const tagSecret = tagSecretOf(known)
    await this.log.recordAll(
      [...answered, ...drafts].map((draft) => ({ draft, tagSecret })),
      async (tx) => {
        if (fresh !== null) await insertNewStatement(tx, statementRow(fresh, row.agreementId, row.drillDigest, at))
        await change(tx)
      },
      signal,
    )
  }
}

const nothing = { quorumMinutes: null, recoveryTimeMinutes: null, recoveryPointMinutes: null } as const

function timesOf({ recoveryTimeMinutes, recoveryPointMinutes }: RestoreDrillReport) {
  return { recoveryTimeMinutes, recoveryPointMinutes }
}
