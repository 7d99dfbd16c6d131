import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { Database, type Tx } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { objectKeys, type ObjectKey } from '../../store/object-key.js'
import type { LegalAdvance, LegalProgress } from './legal-order.js'
import { legalDueAt } from './legal-order.js'
import { moveStatement, saveLegalOrder, type LegalOrderRow } from './legal-order.table.js'
import type { VerifiedStatement } from '../rules/quorum.js'
import { recordedDraft, statementRow, tagSecretOf } from '../record-turn.js'
import { ReleaseFiles } from '../release-files.js'
import { insertNewStatement, listStatements, type StatementRow } from '../release.table.js'
import { SealedRecords } from './sealed-records.js'
import { verifyStatement } from '../rules/statement-verifier.js'

/** One turn of an order against the agent, decided and not yet recorded. */
export interface LegalTurn {
  /** The version under which it was registered. */
  readonly known: KnownAgreement
  /** Null for a new order. */
  readonly before: LegalOrderRow | null
  readonly step: LegalAdvance
  readonly fresh: { readonly verified: VerifiedStatement; readonly bytes: Uint8Array } | null
}

interface Filed {
  readonly drafts: readonly EventDraft[]
  readonly change: (tx: Tx) => Promise<void>
}

/**
 * Where the statements about an order lie. While notice is forbidden each is sealed to the agent alone, and the log holds its digest and
 * nothing that tells what it is; when the silence ends, everything comes into the open, and the digests prove that nothing was changed.
 */
@Injectable()
export class LegalOrderFiles {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(SealedRecords) private readonly sealed: SealedRecords,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record a turn: documents first, then row and log entries in one transaction.
   *
   * @throws EscrowError `DATABASE_CONFLICT` when somebody else moved the order meanwhile; `STORE_*`; then nothing has happened
   */
  async record(turn: LegalTurn, signal?: AbortSignal): Promise<void> {
    const { known, before, step } = turn
    const { progress } = step
    const open = progress.noticeAllowed
    const filed = open ? await this.inTheOpen(turn, signal) : await this.sealedAway(turn, signal)
    const next = legalOrderRow(known, progress)
    const change = async (tx: Tx) => {
      await filed.change(tx)
      await saveLegalOrder(tx, before, next)
    }
    // A clock that ran out in silence leaves no trace but the row: the log must not tell that there is anything.
    if (filed.drafts.length === 0) return this.database.transaction(change)
    const tagSecret = tagSecretOf(known)
    await this.log.recordAll(
      filed.drafts.map((draft) => ({ draft, tagSecret })),
      change,
      signal,
    )
  }

  private async sealedAway({ known, step, fresh }: LegalTurn, signal?: AbortSignal): Promise<Filed> {
    if (fresh === null) return { drafts: [], change: nothing }
    const agreement = AgreementId.parse(known.row.agreementId)
    const { digest } = fresh.verified
    // A name of its own for every try: sealing again gives other bytes, and a file that no leaf names is an orphan.
    const key = objectKeys.sealedRecord(agreement, this.sealed.newName())
    await this.files.keep(known, key, this.sealed.seal(fresh.bytes), signal)
    // The chain's name is made from the order's digest, which nobody knows yet: no party can find the leaf by its tag.
    const subject = `sealed-${step.progress.order.slice(0, 20)}`
    const row = statementRow({ verified: fresh.verified, key }, agreement, step.progress.order, this.clock.now())
    return {
      drafts: [{ type: 'escrow/event/record-sealed/v1', agreement, subject, record: digest }],
      change: (tx) => insertNewStatement(tx, row),
    }
  }

  private async inTheOpen({ known, before, step, fresh }: LegalTurn, signal?: AbortSignal): Promise<Filed> {
    const { progress } = step
    const agreement = AgreementId.parse(known.row.agreementId)
    const disclosed = before?.progress.noticeAllowed === false ? await this.disclose(known, progress.order, signal) : []
    const drafts: EventDraft[] = disclosed.map(({ draft }) => draft)
    const rows: StatementRow[] = []
    if (fresh !== null) {
      const placed = { verified: fresh.verified, key: objectKeys.legalStatement(agreement, progress.order, fresh.verified.digest) }
      await this.files.keep(known, placed.key, fresh.bytes, signal)
      drafts.push(recordedDraft(placed, { agreement, subject: agreement }))
      rows.push(statementRow(placed, agreement, progress.order, this.clock.now()))
    }
    drafts.push(advancedDraft(agreement, { before, step, statement: fresh?.verified.digest ?? null }))
    const change = async (tx: Tx) => {
      for (const { row, key } of disclosed) await moveStatement(tx, row, key)
      for (const row of rows) await insertNewStatement(tx, row)
    }
    return { drafts, change }
  }

  private async disclose(known: KnownAgreement, order: string, signal?: AbortSignal) {
    const agreement = AgreementId.parse(known.row.agreementId)
    const disclosed: { readonly row: StatementRow; readonly key: ObjectKey; readonly draft: EventDraft }[] = []
    for (const row of await this.database.query((db) => listStatements(db, order, agreement))) {
      const bytes = this.sealed.open(await this.files.read(row.key, signal))
      const key = objectKeys.legalStatement(agreement, order, row.digest)
      await this.files.keep(known, key, bytes, signal)
      const verified = verifyStatement(bytes, known.signed)
      disclosed.push({ row, key, draft: recordedDraft({ verified, key }, { agreement, subject: agreement }) })
    }
    return disclosed
  }
}

/** What the index holds of an order. @param known - the version under which it was registered. */
export function legalOrderRow(known: KnownAgreement, progress: LegalProgress): Omit<LegalOrderRow, 'revision'> {
  const due = legalDueAt(progress)
  return {
    orderDigest: progress.order,
    agreementId: known.row.agreementId,
    agreementDigest: known.signed.digest,
    state: progress.state.name,
    progress,
    dueAt: due === null ? null : new Date(due),
  }
}

function advancedDraft(
  agreement: AgreementId,
  what: { readonly before: LegalOrderRow | null; readonly step: LegalAdvance; readonly statement: string | null },
): EventDraft {
  const { before, step, statement } = what
  return {
    type: 'escrow/event/legal-order-advanced/v1',
    agreement,
    subject: agreement,
    order: step.progress.order,
    from: before?.progress.noticeAllowed === true ? before.state : null,
    to: step.progress.state.name,
    cause: statement === null ? 'clock' : 'statement',
    statement,
  }
}

const nothing = (): Promise<void> => Promise.resolve()
