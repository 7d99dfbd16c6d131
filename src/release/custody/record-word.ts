import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { recordShareHealth } from '../../escrow/archive/share.table.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import { AgreementId } from '../../format/ids.js'
import type { Statement } from '../../format/statement.js'
import { verifyShareProof } from '../../format/verify-share-proof.js'
import { EventLog } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { requireNamedSigner, type VerifiedStatement } from '../rules/quorum.js'
import { recordedDraft, statementRow, tagSecretOf } from '../record-turn.js'
import { againOnConflict } from '../request/release-desk.js'
import { ReleaseFiles } from '../release-files.js'
import { insertNewStatement, listSubjects, type StatementRow } from '../release.table.js'
import { isAgreementHold, mayHold } from '../request/standing-holds.js'
import { verifyStatement } from '../rules/statement-verifier.js'

/** Records what a party says about an agreement as a whole: a heartbeat, and whatever else no request or order is the subject of. */
@Injectable()
export class RecordWord {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Verify a statement with the version that it names, and record it under the agreement. Idempotent.
   *
   * @param bytes - attacker-controlled.
   * @returns the agreement and what was verified.
   * @throws EscrowError `AGREEMENT_DIGEST` when it names a version that is not in force: keys that were changed since must not speak;
   *   `SIGNATURE_INVALID`, `SIGNER_REFUSED`, `STATEMENT_*`, `STORE_*`
   */
  async run(
    bytes: Uint8Array,
    { agreement: digest, type }: Pick<Statement, 'agreement' | 'type'>,
    signal?: AbortSignal,
  ): Promise<{ readonly known: KnownAgreement; readonly verified: VerifiedStatement }> {
    const known = await this.agreements.version(digest)
    // Shares of an old epoch are proved by its holders under the version that dealt them; a proof is made with the share itself.
    const anyVersion = type === 'escrow/statement/share-health/v1'
    if (!anyVersion && known.row.digest !== known.signed.digest) {
      throw new EscrowError('AGREEMENT_DIGEST', `expected the version in force, ${known.row.digest}, got ${known.signed.digest}`)
    }
    const verified = verifyStatement(bytes, known.signed)
    await againOnConflict(() => this.record(known, verified, bytes, signal))
    return { known, verified }
  }

  /** If we stop after the statement is stored, it is an orphan; the next recording goes on from there. */
  private async record(known: KnownAgreement, verified: VerifiedStatement, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { agreementId } = known.row
    const before = await this.database.query((db) => listSubjects(db, verified.digest))
    if (before.some((row) => row.subject === agreementId)) return
    requireWord(verified, known, this.clock.now())
    const { statement } = verified
    if (statement.type === 'escrow/statement/share-health/v1') verifyShareProof(statement, known.signed.body)
    const agreement = AgreementId.parse(agreementId)
    const fresh = { verified, key: objectKeys.agreementStatement(agreement, verified.digest) }
    await this.files.keep(known, fresh.key, bytes, signal)
    const draft = recordedDraft(fresh, { agreement, subject: agreement })
    const row = statementRow(fresh, agreementId, agreementId, this.clock.now())
    await this.log.record({ draft, tagSecret: tagSecretOf(known) }, (tx) => write(tx, row, statement), signal)
  }
}

/** A proof of a share is counted too. */
async function write(tx: Tx, row: StatementRow, statement: Statement): Promise<void> {
  await insertNewStatement(tx, row)
  if (statement.type !== 'escrow/statement/share-health/v1') return
  const { epoch, index: custodianIndex, issuedAt } = statement
  await recordShareHealth(tx, {
    agreementId: row.agreementId,
    epoch,
    custodianIndex,
    statementDigest: row.digest,
    provedAt: new Date(issuedAt),
  })
}

function requireWord(verified: VerifiedStatement, known: KnownAgreement, now: Date): void {
  const { statement, signer } = verified
  const { body, digest } = known.signed
  checkStatement(statement, { agreement: digest, origin: body.origin, now })
  requireNamedSigner(verified, digest)
  const role = body.parties.find((party) => party.party === signer)?.role
  if (role === undefined || !maySign(role, statement.type)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a party that may sign ${statement.type}, got ${signer}`)
  }
  if (isAgreementHold(verified) && !mayHold(verified, body)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a hold by a pinned signer, got ${signer}`)
  }
}
