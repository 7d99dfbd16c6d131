import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import type { VerifyStatement } from '../rules/quorum.js'
import { findOrder, findRequest, type HeldShareRow, type RequestRow } from '../release.table.js'
import { ReleaseFiles } from '../release-files.js'
import type { RequestFrame } from '../rules/release-state.js'
import { frameRequest, type EffectiveOrder } from '../rules/request-frame.js'
import { keepsShares } from '../rules/share-relay.js'
import { effectiveOrder } from '../rules/shutdown-order.js'
import { requireStandingNow } from './standing-now.js'
import { verifierOf } from '../rules/statement-verifier.js'

/** A request with everything that it is judged by, read from signed documents. */
export interface RequestCase {
  readonly row: RequestRow
  /** The agreement version in force at submission. */
  readonly known: KnownAgreement
  readonly frame: RequestFrame
  /** What was recorded about the request and the order behind it, by digest. */
  readonly documents: ReadonlyMap<string, Uint8Array>
  /** The share releases that are held or were passed on, in the order in which they came; empty where the state keeps none. */
  readonly shares: readonly HeldShareRow[]
  /** Over `documents`; it remembers its verdicts as long as the case is open, which is one turn. */
  readonly verify: VerifyStatement
}

/** Opens release requests: the row says which documents, the documents say what governs. Nothing is kept from one turn to the next. */
@Injectable()
export class RequestShelf {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
  ) {}

  /** A request with the agreement that governs it, and no document of its case. @throws EscrowError `NOT_FOUND` */
  async head(requestId: string): Promise<Pick<RequestCase, 'row' | 'known'>> {
    const row = await this.database.query((db) => findRequest(db, requestId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no release request is named ${requestId}`)
    return { row, known: await this.agreements.version(row.agreementDigest) }
  }

  /** One request. @throws EscrowError `NOT_FOUND`; `SIGNATURE_INVALID`, `STATEMENT_INVALID` when its documents no longer hold; `OBJECT_*` */
  async get(requestId: string, signal?: AbortSignal): Promise<RequestCase> {
    const { row, known } = await this.head(requestId)
    const subjects = row.orderDigest === null ? [requestId] : [requestId, row.orderDigest]
    const documents = await this.files.about(subjects, row.agreementId, signal)
    // In every other state none was kept.
    const shares = keepsShares(row.progress.state) ? await this.files.shares(requestId) : []
    for (const { digest, document } of shares) documents.set(digest, document)
    const pinned = { body: known.signed.body, digest: row.agreementDigest }
    const verify = verifierOf(pinned, documents)
    const order = row.orderDigest === null ? null : await this.orderOf(row.orderDigest, row.agreementId, verify)
    const verified = verify(row.requestDigest)
    const { statement } = verified
    if (statement.type !== 'escrow/statement/release-request/v1') throw new EscrowError('STATEMENT_INVALID', 'expected a release request')
    const frame = frameRequest({
      verified: { ...verified, statement },
      agreement: pinned.body,
      agreementDigest: pinned.digest,
      epoch: row.epoch,
      order,
      now: row.submittedAt,
    })
    return { row, known, frame, documents, shares, verify }
  }

  /**
   * Insist that those who approved a request still stand where its policy wants them, as the version in force knows it.
   *
   * @param decidedAt - when the votes were counted.
   * @throws EscrowError `APPROVER_POLICY`; `SIGNATURE_INVALID`, `STATEMENT_INVALID` when a vote no longer holds
   */
  async requireStanding({ row, frame, verify }: RequestCase, decidedAt: Date): Promise<void> {
    const { parties } = (await this.agreements.get(row.agreementId)).signed.body
    requireStandingNow({ progress: row.progress, frame, verify }, { parties, decidedAt })
  }

  /**
   * An order in one agreement as a request under it is judged by.
   *
   * @throws EscrowError `ORDER_STATE` when it is not effective; `NOT_FOUND`
   */
  async orderOf(orderDigest: string, agreementId: string, verify: VerifyStatement): Promise<EffectiveOrder> {
    const row = await this.database.query((db) => findOrder(db, orderDigest, agreementId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no order ${orderDigest.slice(0, 16)} is registered in ${agreementId}`)
    const order = effectiveOrder(row.progress, verify)
    if (order === null) throw new EscrowError('ORDER_STATE', `expected an effective order, got one that is ${row.state}`)
    return order
  }
}

/** A verifier over a case and the documents that came with the turn. */
export function caseVerifier(one: RequestCase, fresh: ReadonlyMap<string, Uint8Array>): VerifyStatement {
  const verifyFresh = verifierOf({ body: one.known.signed.body, digest: one.row.agreementDigest }, fresh)
  return (digest) => (fresh.has(digest) ? verifyFresh(digest) : one.verify(digest))
}
