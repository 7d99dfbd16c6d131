import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { checkStatement } from '../../format/check-statement.js'
import { keysOf } from '../../format/signed-agreement.js'
import { openDocument, readUnverified, type OpenedDocument } from '../../format/signed-document.js'
import { FindingExplanation, type StatementOf } from '../../format/statement.js'
import { EventLog } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { findVersionByDigest } from '../archive/agreement.table.js'
import { explainFinding, findDeposit, listFindings, settleExplained, type DepositRow } from '../archive/deposit.table.js'
import { placeOf } from '../archive/deposit-place.js'
import { documentRetainUntil } from '../retention.js'
import { StoreDocument } from '../archive/store-document.js'

/** What recording an explanation came to. */
export interface Explained {
  readonly source: string
  readonly sequence: number
  /** Whether no blocking finding of the deposit is left unexplained. */
  readonly settled: boolean
}

/** Records a depositor's explanation of findings beside its deposit and in the log. */
@Injectable()
export class RecordExplanation {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Verify and record one explanation. Idempotent.
   *
   * @param bytes - attacker-controlled.
   * @throws EscrowError `AGREEMENT_DIGEST`, `SIGNATURE_INVALID`, `STATEMENT_*`; `NOT_FOUND` when there is no such deposit or finding; `STORE_*`
   */
  async run(bytes: Uint8Array, signal?: AbortSignal): Promise<Explained> {
    const known = await this.agreementOf(bytes)
    const statement = this.verify(known, bytes)
    const { source, sequence, manifest, codes } = statement.body
    const key = { agreementId: known.row.agreementId, source }
    const row = await this.database.query((db) => findDeposit(db, key, sequence))
    if (row === null || row.manifestDigest !== manifest)
      throw new EscrowError('NOT_FOUND', `there is no deposit ${sequence} of ${source} with the manifest ${manifest}`)
    const findings = await this.database.query((db) => listFindings(db, row.depositId))
    const absent = codes.find((code) => !findings.some((finding) => finding.code === code))
    if (absent !== undefined) throw new EscrowError('NOT_FOUND', `deposit ${sequence} of ${source} has no finding ${absent}`)
    const before = codes.every((code) =>
      findings.some((finding) => finding.code === code && finding.explanationDigest === statement.digest),
    )
    if (before) return { source, sequence, settled: row.explainedAt !== null }
    return { source, sequence, settled: await this.record(known, { row, statement, bytes }, signal) }
  }

  private async agreementOf(bytes: Uint8Array): Promise<KnownAgreement> {
    const { agreement: digest } = readUnverified(bytes, FindingExplanation, 'explanation')
    const version = await this.database.query((db) => findVersionByDigest(db, digest))
    if (version === null) throw new EscrowError('AGREEMENT_DIGEST', `no agreement here has the digest ${digest}`)
    return this.shelf.get(version.agreementId)
  }

  private verify(known: KnownAgreement, bytes: Uint8Array): OpenedDocument<StatementOf<'finding-explanation'>> {
    const { body, digest } = known.signed
    const opened = openDocument(bytes, { schema: FindingExplanation, keys: keysOf(body, 'depositor'), what: 'explanation' })
    checkStatement(opened.body, { agreement: digest, origin: body.origin, now: this.clock.now() })
    return opened
  }

  /** If we stop after the statement is stored, it lies beside its deposit and verifies; the next run records it. */
  private async record(
    known: KnownAgreement,
    what: { readonly row: DepositRow; readonly statement: OpenedDocument<StatementOf<'finding-explanation'>>; readonly bytes: Uint8Array },
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { row, statement, bytes } = what
    const place = placeOf(row)
    const { source, sequence, codes } = statement.body
    const retainUntil = documentRetainUntil(known.signed.body)
    const document = { key: objectKeys.explanation(place, statement.digest), bytes, purpose: 'statement' as const, retainUntil }
    await this.store.run({ ...document, agreementId: row.agreementId, attemptId: null }, signal)
    const subject = { agreement: place.agreement, subject: source }
    const draft = { type: 'escrow/event/findings-explained/v1' as const, ...subject, source, sequence, statement: statement.digest }
    let settled = false
    await this.log.record(
      { draft, tagSecret: Buffer.from(known.annex.tagSecret, 'hex') },
      async (tx, { event }) => {
        const at = new Date(event.at)
        for (const code of codes) await explainFinding(tx, { depositId: row.depositId, code, statementDigest: statement.digest, at })
        settled = await settleExplained(tx, row.depositId, at)
      },
      signal,
    )
    return settled
  }
}
