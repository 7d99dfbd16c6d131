import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { findCurrentEpoch } from '../../escrow/archive/agreement.table.js'
import { requireJurisdiction } from '../../escrow/require-jurisdiction.js'
import type { StatementOf } from '../../format/statement.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { requireNamedSigner, type VerifiedStatement } from '../rules/quorum.js'
import { aboutRequest, progressRow } from '../record-turn.js'
import { findRequestByDigest, insertRequest, type RequestRow } from '../release.table.js'
import { ReleaseDesk } from './release-desk.js'
import { submit } from '../rules/release-request.js'
import { frameRequest, type EffectiveOrder } from '../rules/request-frame.js'
import { peekStatement, verifierOf } from '../rules/statement-verifier.js'

type SignedRequest = VerifiedStatement & { readonly statement: StatementOf<'release-request'> }

/** Takes a signed release request in and starts it. */
@Injectable()
export class SubmitRequest {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Submit a request. Idempotent for the same document.
   *
   * @param bytes - attacker-controlled.
   * @param change - what else belongs into the transaction that starts it.
   * @returns the id of the request.
   * @throws EscrowError `AGREEMENT_DIGEST` when it names a version that is not in force; `SIGNATURE_INVALID`, `SIGNER_REFUSED`,
   *   `STATEMENT_*`, `REPLICA_POLICY`, `VAULT_NOT_ARMED`, `ORDER_STATE`; `DATABASE_CONFLICT` when another request has its id
   */
  async run(bytes: Uint8Array, change?: (tx: Tx, requestId: string) => Promise<void>, signal?: AbortSignal): Promise<string> {
    const peeked = peekStatement(bytes)
    const before = await this.database.query((db) => findRequestByDigest(db, peeked.digest))
    if (before !== null) return before.requestId
    const known = await this.agreements.version(peeked.statement.agreement)
    if (known.row.digest !== known.signed.digest) {
      throw new EscrowError('AGREEMENT_DIGEST', `expected the version in force, ${known.row.digest}, got ${known.signed.digest}`)
    }
    requireJurisdiction(known.signed.body, this.replicas.replicas)
    const verified = requireRequest(verifierOf(known.signed, new Map([[peeked.digest, bytes]]))(peeked.digest))
    requireNamedSigner(verified, known.signed.digest)
    await this.start({ known, verified, bytes }, change, signal)
    return verified.statement.request
  }

  private async start(
    asked: { readonly known: KnownAgreement; readonly verified: SignedRequest; readonly bytes: Uint8Array },
    change?: (tx: Tx, requestId: string) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { known, verified, bytes } = asked
    const { agreementId } = known.row
    const { statement, digest } = verified
    const order = await this.orderOf(statement.order, known, signal)
    const current = await this.database.query((db) => findCurrentEpoch(db, agreementId))
    if (current === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${agreementId} has no armed epoch`)
    const now = this.clock.now()
    const { epoch } = current
    const agreement = { agreement: known.signed.body, agreementDigest: known.signed.digest }
    const frame = frameRequest({ verified, ...agreement, epoch, order, now })
    const { unavailable } = await this.desk.availability.run(agreementId, signal)
    const step = submit(
      { frame, now, verify: verifierOf(known.signed, new Map([[digest, bytes]])) },
      unavailable.map(({ party }) => party),
    )
    const row: Omit<RequestRow, 'revision'> = {
      requestId: frame.request,
      agreementId,
      requestDigest: digest,
      agreementDigest: frame.agreement,
      epoch,
      orderDigest: statement.order,
      submittedAt: now,
      ...progressRow(step),
    }
    const insert = async (tx: Tx) => {
      await insertRequest(tx, row)
      await change?.(tx, row.requestId)
    }
    await this.desk.turns.record({ known, row, step, statements: [aboutRequest(row, verified, bytes)] }, insert, signal)
  }

  private async orderOf(digest: string | null, known: KnownAgreement, signal?: AbortSignal): Promise<EffectiveOrder | null> {
    if (digest === null) return null
    const documents = await this.desk.files.about(digest, known.row.agreementId, signal)
    return this.desk.requests.orderOf(digest, known.row.agreementId, verifierOf(known.signed, documents))
  }
}

function requireRequest(verified: VerifiedStatement): SignedRequest {
  const { statement } = verified
  if (statement.type === 'escrow/statement/release-request/v1') return { ...verified, statement }
  throw new EscrowError('STATEMENT_INVALID', `expected a release request, got ${statement.type}`)
}
