import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import type { Tx } from '../db/database.js'
import type { KnownAgreement } from '../escrow/archive/agreement-shelf.js'
import { AgreementId, RequestId } from '../format/ids.js'
import { EventLog, type EventDraft, type Recording } from '../log/event-log.js'
import { objectKeys, type ObjectKey } from '../store/object-key.js'
import { requestFields } from './release-event.js'
import { deleteHeldShares, insertStatement, updateRequest, type RequestRow, type StatementRow } from './release.table.js'
import { ReleaseFiles } from './release-files.js'
import { dueAt, type Advance } from './rules/release-state.js'
import { keepsShares } from './rules/share-relay.js'
import type { VerifiedStatement } from './rules/quorum.js'

/** A verified statement that a turn records, with its bytes as they came. */
export interface FreshStatement {
  readonly verified: VerifiedStatement
  readonly bytes: Uint8Array
  readonly key: ObjectKey
}

/** One turn of a request, decided and not yet recorded. */
export interface RequestTurn {
  readonly known: KnownAgreement
  readonly row: Pick<RequestRow, 'requestId' | 'requestDigest' | 'agreementId'>
  readonly step: Advance
  readonly statements: readonly FreshStatement[]
  /** What the log shall show before the turn's own events: what brought them about. */
  readonly first?: readonly EventDraft[]
  /** What else the log shall show, after them. */
  readonly drafts?: readonly EventDraft[]
}

/** Records turns: documents into the store first, then rows and log entries in one transaction. */
@Injectable()
export class RecordTurn {
  constructor(
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record a turn of a request that is known.
   *
   * @param change - what else belongs into the transaction.
   * @throws EscrowError `DATABASE_CONFLICT` when somebody else moved the request meanwhile; `STORE_*`; then nothing has happened
   */
  async run(
    turn: RequestTurn & { readonly row: RequestRow },
    change: (tx: Tx) => Promise<void> = nothing,
    signal?: AbortSignal,
  ): Promise<void> {
    const { row, step } = turn
    await this.record(
      turn,
      async (tx) => {
        await updateRequest(tx, row, progressRow(step))
        // A withdrawal, a lost quorum or an expiry leaves nothing behind that could be passed on later.
        if (!keepsShares(step.progress.state)) await deleteHeldShares(tx, row.requestId)
        await change(tx)
      },
      signal,
    )
  }

  /** Record a turn whose rows `change` writes. A turn without events and statements writes nothing. @throws EscrowError as `run` */
  async record(turn: RequestTurn, change: (tx: Tx) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const { known, row, statements } = turn
    const drafts = [...(turn.first ?? []), ...this.draftsOf(turn), ...(turn.drafts ?? [])]
    if (drafts.length === 0) return
    await this.files.keepAll(known, statements, signal)
    const recordings = drafts.map((draft): Recording => ({ draft, tagSecret: tagSecretOf(known) }))
    await this.log.recordAll(
      recordings,
      async (tx) => {
        for (const one of statements) await insertStatement(tx, statementRow(one, row.agreementId, row.requestId, this.clock.now()))
        await change(tx)
      },
      signal,
    )
  }

  private draftsOf({ row, step, statements }: RequestTurn): readonly EventDraft[] {
    const request = RequestId.parse(row.requestId)
    const subject = { agreement: AgreementId.parse(row.agreementId), subject: request }
    const requestDigest = row.requestDigest
    return [
      ...statements.map((one) => recordedDraft(one, subject)),
      ...requestFields(step.events).map((fields): EventDraft => ({
        type: 'escrow/event/request-advanced/v1',
        ...subject,
        request,
        requestDigest,
        ...fields,
      })),
    ]
  }
}

/** The event that a statement was recorded. */
export function recordedDraft(
  { verified, key }: Pick<FreshStatement, 'verified' | 'key'>,
  subject: { readonly agreement: AgreementId; readonly subject: string },
): EventDraft {
  const { statement, digest, signer } = verified
  return { type: 'escrow/event/statement-recorded/v1', ...subject, statementType: statement.type, statement: digest, party: signer, key }
}

/** The row of a statement about a request or an order. */
export function statementRow(
  { verified, key }: Pick<FreshStatement, 'verified' | 'key'>,
  agreementId: string,
  subject: string,
  recordedAt: Date,
): StatementRow {
  const { digest, signer, statement } = verified
  return { digest, agreementId, subject, key, type: statement.type, party: signer, recordedAt }
}

/** A statement about a request with its place in the store. */
export function aboutRequest(
  row: Pick<RequestRow, 'requestId' | 'agreementId'>,
  verified: VerifiedStatement,
  bytes: Uint8Array,
): FreshStatement {
  const key = objectKeys.releaseStatement(AgreementId.parse(row.agreementId), RequestId.parse(row.requestId), verified.digest)
  return { verified, bytes, key }
}

/** What a row says of a request's progress. */
export function progressRow({ progress }: Advance): Pick<RequestRow, 'state' | 'progress' | 'dueAt'> {
  const due = dueAt(progress)
  return { state: progress.state.name, progress, dueAt: due === null ? null : new Date(due) }
}

/** The secret that the tags of an agreement's events are made from. */
export function tagSecretOf(known: KnownAgreement): Uint8Array {
  return Buffer.from(known.annex.tagSecret, 'hex')
}

const nothing = (): Promise<void> => Promise.resolve()
