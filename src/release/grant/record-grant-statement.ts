import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database, type Tx } from '../../db/database.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import type { Statement, StatementOf } from '../../format/statement.js'
import type { EventDraft } from '../../log/event-log.js'
import { findGrant, markReturned, revokeGrant, type GrantRow } from './grant.table.js'
import { requireNamedSigner, type VerifiedStatement } from '../rules/quorum.js'
import { aboutRequest } from '../record-turn.js'
import { againOnConflict, ReleaseDesk } from '../request/release-desk.js'
import { findRequestByDigest } from '../release.table.js'
import { caseVerifier, type RequestCase } from '../request/request-shelf.js'
import { peekStatement } from '../rules/statement-verifier.js'

/** What is said about a grant after it was given. */
export type GrantStatement = StatementOf<'grant-revocation'> | StatementOf<'return-confirmation'>

/** Whether a statement is about a grant. */
export function isAboutGrant(statement: Statement): statement is GrantStatement {
  return statement.type === 'escrow/statement/grant-revocation/v1' || statement.type === 'escrow/statement/return-confirmation/v1'
}

/** Records what ends a grant: a revocation, or the beneficiary's word that its copies are gone. */
@Injectable()
export class RecordGrantStatement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record one. Idempotent: a grant that is revoked or confirmed already stays as it is.
   *
   * @param bytes - attacker-controlled.
   * @returns the request and its state, which neither statement changes.
   * @throws EscrowError `NOT_FOUND` when there is no such request or grant; `SIGNER_REFUSED`, `SIGNATURE_INVALID`, `STATEMENT_*`
   */
  run(bytes: Uint8Array, signal?: AbortSignal): Promise<{ readonly requestId: string; readonly state: string }> {
    return againOnConflict(() => this.attempt(bytes, signal))
  }

  private async attempt(bytes: Uint8Array, signal?: AbortSignal): Promise<{ readonly requestId: string; readonly state: string }> {
    const { statement, digest } = peekStatement(bytes)
    if (!isAboutGrant(statement)) throw new EscrowError('STATEMENT_INVALID', `expected a statement about a grant, got ${statement.type}`)
    const { requestDigest } = statement
    const row = await this.database.query((db) => findRequestByDigest(db, requestDigest))
    if (row === null) throw new EscrowError('NOT_FOUND', `no release request has the digest ${requestDigest}`)
    const one = await this.desk.requests.get(row.requestId, signal)
    const done = { requestId: row.requestId, state: one.row.state }
    if (one.documents.has(digest)) return done
    const verified = caseVerifier(one, new Map([[digest, bytes]]))(digest)
    const told = this.requireSigner(one, verified)
    const grant = await this.database.query((db) => findGrant(db, row.requestId, told.beneficiary))
    if (grant === null) throw new EscrowError('NOT_FOUND', `${told.beneficiary} has no grant under ${row.requestId}`)
    const at = this.clock.now()
    const change = (tx: Tx) => (told.revokes ? revokeGrant(tx, grant, at) : markReturned(tx, grant, at))
    const drafts = told.revokes && grant.revokedAt === null ? [revokedDraft(one, grant, digest)] : []
    const step = { progress: one.row.progress, events: [] }
    const statements = [aboutRequest(one.row, verified, bytes)]
    await this.desk.turns.run({ known: one.known, row: one.row, step, statements, drafts }, change, signal)
    return done
  }

  /**
   * The arbiter, a guardian, who may place holds, or the beneficiary itself may end a grant. Not the agent and not the depositor: what a
   * quorum of custodians has released, neither of them takes back.
   */
  private requireSigner(one: RequestCase, verified: VerifiedStatement): { readonly beneficiary: string; readonly revokes: boolean } {
    const { statement, signer } = verified
    const { frame } = one
    requireNamedSigner(verified, frame.agreement)
    const { agreement, origin, epoch } = frame
    checkStatement(statement, { agreement, origin, epoch, now: this.clock.now() })
    const role = frame.roster.parties.find(({ party }) => party === signer)?.role
    if (role === undefined || !maySign(role, statement.type)) throw refusedSigner('a party that may say this', signer)
    if (statement.type === 'escrow/statement/return-confirmation/v1') return { beneficiary: signer, revokes: false }
    if (statement.type !== 'escrow/statement/grant-revocation/v1') throw new EscrowError('STATEMENT_INVALID', 'expected a revocation')
    const { guardians, holdSigners } = frame.terms
    const may = role === 'arbiter' || guardians.includes(signer) || holdSigners.includes(signer) || signer === statement.beneficiary
    if (!may) throw refusedSigner('the arbiter, a guardian, a hold signer or the beneficiary itself', signer)
    return { beneficiary: statement.beneficiary, revokes: true }
  }
}

function refusedSigner(expected: string, got: string): EscrowError {
  return new EscrowError('SIGNER_REFUSED', `expected ${expected}, got ${got}`)
}

function revokedDraft({ row }: RequestCase, { beneficiary }: GrantRow, statement: string): EventDraft {
  const request = RequestId.parse(row.requestId)
  const subject = { agreement: AgreementId.parse(row.agreementId), subject: request, request }
  return { type: 'escrow/event/grant-revoked/v1', ...subject, beneficiary, statement }
}
