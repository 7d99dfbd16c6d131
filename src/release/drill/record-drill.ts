import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import { AnySummons, type DrillSummons } from '../../format/drill.js'
import { AgreementId } from '../../format/ids.js'
import { keysOf } from '../../format/signed-agreement.js'
import { openDocument } from '../../format/signed-document.js'
import type { Statement, StatementOf } from '../../format/statement.js'
import { objectKeys } from '../../store/object-key.js'
import { DrillLog } from './drill-log.js'
import { reportApprovalDrill, reportRestoreDrill, type ApprovalDrillReport, type RestoreDrillReport } from './drill.js'
import { findDrill, findDrillAmong, listEndedDrills, type DrillRow } from './drill.table.js'
import { coversRequest, isVote, requireNamedSigner, type VerifiedStatement } from '../rules/quorum.js'
import { outcomeOf, type Outcome } from '../order/register-order.js'
import { againOnConflict, ReleaseDesk } from '../request/release-desk.js'
import { parseReleasePolicy, termsOf } from '../rules/release-policy.js'
import { listStatements } from '../release.table.js'
import { verifierOf, verifyStatement } from '../rules/statement-verifier.js'

type Report = ApprovalDrillReport | RestoreDrillReport

/** Records answers to drills and reports what each came to. It moves no request and reads no share. */
@Injectable()
export class RecordDrill {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(DrillLog) private readonly log: DrillLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record a statement about drills. Idempotent.
   *
   * @param bytes - attacker-controlled.
   * @returns one outcome for the drill that it names; empty when it names none.
   * @throws EscrowError `STORE_*`, `DATABASE_*`
   */
  async run(bytes: Uint8Array, statement: Statement, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const row = await this.database.query((db) => findDrillAmong(db, drillsOf(statement)))
    if (row === null) return []
    const { drillDigest: digest } = row
    const record = () => againOnConflict(() => this.record(digest, bytes, signal))
    return [await outcomeOf(row.agreementId, digest, async () => ({ subject: digest, state: await record() }))]
  }

  /** Report on every drill whose time is over. Idempotent. @throws EscrowError `STORE_*`, `DATABASE_*` */
  async sweep(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const row of await this.database.query((db) => listEndedDrills(db, this.clock.now(), rowsMax))) {
      const close = async () => {
        const { known, summons } = await this.open(row, signal)
        const report = summons.type === 'escrow/approval-drill/v1' ? await this.count(row, known, summons, signal) : unanswered(row)
        await this.log.close({ known, row, report, fresh: null, at: this.clock.now() }, signal)
        return { subject: row.drillDigest, state: `drill ${report.outcome}` }
      }
      outcomes.push(await outcomeOf(row.agreementId, row.drillDigest, close))
    }
    return outcomes
  }

  /** The summons of a drill, verified again. @throws EscrowError `SIGNATURE_INVALID`, `OBJECT_*` */
  async open(row: DrillRow, signal?: AbortSignal): Promise<{ readonly known: KnownAgreement; readonly summons: AnySummons }> {
    const known = await this.agreements.version(row.agreementDigest)
    const bytes = await this.desk.files.read(row.summonsKey, signal)
    const { body } = openDocument(bytes, { schema: AnySummons, keys: keysOf(known.signed.body, 'agent'), what: 'summons' })
    return { known, summons: body }
  }

  private async record(digest: string, bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    const row = await this.database.query((db) => findDrill(db, digest))
    if (row === null) throw new EscrowError('NOT_FOUND', 'expected a drill that was started here')
    const { known, summons } = await this.open(row, signal)
    const verified = verifyStatement(bytes, known.signed)
    const before = await this.database.query((db) => listStatements(db, digest, row.agreementId))
    if (before.some((one) => one.digest === verified.digest)) return row.outcome ?? 'recorded'
    const now = this.clock.now()
    if (row.closedAt !== null || now >= row.endsAt)
      throw new EscrowError('REQUEST_STATE', `expected a drill under way, got one that ended ${row.endsAt.toISOString()}`)
    requireAnswer(verified, known, now)
    const key = objectKeys.drillDocument(AgreementId.parse(row.agreementId), digest, verified.digest)
    await this.desk.files.keep(known, key, bytes, signal)
    const fresh = { verified, key }
    if (summons.type === 'escrow/restore-drill/v1') {
      const report = reportRestoreDrill(requireResult(verified))
      await this.log.close({ known, row, report, fresh, at: now }, signal)
      return `drill ${report.outcome}`
    }
    requireDrillVote(verified, summons, digest)
    await this.log.answer({ known, row, fresh, at: now }, signal)
    return 'recorded'
  }

  private async count(row: DrillRow, known: KnownAgreement, summons: DrillSummons, signal?: AbortSignal): Promise<Report> {
    const { body } = known.signed
    const documents = await this.desk.files.about(row.drillDigest, row.agreementId, signal)
    const rows = await this.database.query((db) => listStatements(db, row.drillDigest, row.agreementId))
    const votes = rows.map(({ digest, recordedAt }) => ({ digest, recordedAt: recordedAt.toISOString() }))
    const { approvalGroups } = termsOf(parseReleasePolicy(body.release), summons.condition)
    const { parties, vault, jurisdiction } = body
    // In a release the beneficiaries ask; whoever is in their hands would have no vote.
    const requesters = parties
      .filter(({ recipient }) => recipient !== null && summons.recipients.includes(recipient))
      .map(({ party }) => party)
    const frame = { requesters, roster: { parties, vault, jurisdiction, approvalGroups } }
    return reportApprovalDrill(summons, frame, votes, verifierOf(known.signed, documents))
  }
}

function drillsOf(statement: Statement): readonly string[] {
  if (statement.type === 'escrow/statement/drill-result/v1') return [statement.drill]
  return isVote(statement) ? statement.covers.map((cover) => cover.requestDigest) : []
}

function requireAnswer(verified: VerifiedStatement, known: KnownAgreement, now: Date): void {
  const { statement, signer } = verified
  const { body, digest } = known.signed
  checkStatement(statement, { agreement: digest, origin: body.origin, now })
  requireNamedSigner(verified, digest)
  const role = body.parties.find((party) => party.party === signer)?.role
  if (role !== undefined && maySign(role, statement.type)) return
  throw new EscrowError('SIGNER_REFUSED', `expected a party that may sign ${statement.type}, got ${signer}`)
}

/** A vote in a drill covers the drill and nothing else, so that no answer can be given to both. */
function requireDrillVote({ statement }: VerifiedStatement, summons: DrillSummons, digest: string): void {
  if (isVote(statement) && statement.covers.length === 1 && coversRequest(statement, { ...summons, digest })) return
  throw new EscrowError('STATEMENT_INVALID', 'expected a vote on exactly this drill, agreement, epoch and recipients, and on nothing else')
}

function requireResult({ statement }: VerifiedStatement): StatementOf<'drill-result'> {
  if (statement.type === 'escrow/statement/drill-result/v1') return statement
  throw new EscrowError('STATEMENT_INVALID', `expected the result of a restore drill, got ${statement.type}`)
}

function unanswered(row: DrillRow): RestoreDrillReport {
  const { startedAt } = row
  return reportRestoreDrill({
    startedAt: startedAt.toISOString(),
    verifiedAt: null,
    takenAt: null,
    canaryFound: false,
    fault: 'nobody answered',
  })
}
