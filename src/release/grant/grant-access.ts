import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { findDeposit, listLatestOpenableOf, type DepositRow } from '../../escrow/archive/deposit.table.js'
import { requireJurisdiction } from '../../escrow/require-jurisdiction.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import type { RequestedDeposit } from '../../format/statement.js'
import type { EventDraft } from '../../log/event-log.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { ReadAgain } from './read-again.js'
import { ReleaseDesk } from '../request/release-desk.js'
import { parseReleasePolicy } from '../rules/release-policy.js'
import { insertGrant, listGrants, type GrantedDeposit, type GrantRow } from './grant.table.js'
import type { RequestCase } from '../request/request-shelf.js'

const dayMs = 86_400_000

/** Gives the beneficiaries of a released request access to exactly the deposits that were requested, for a limited time. */
@Injectable()
export class GrantAccess {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(ReadAgain) private readonly fixity: ReadAgain,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Grant access. Every object that is needed is read again first. Idempotent.
   *
   * @returns one grant per beneficiary.
   * @throws EscrowError `REQUEST_STATE` unless it is released; `DEPOSIT_STATE` when a source has nothing that these shares open;
   *   `OBJECT_CORRUPT` naming an object of which no replica has a good copy; `REPLICA_POLICY`, `APPROVER_POLICY`
   */
  async run(requestId: string, signal?: AbortSignal): Promise<readonly GrantRow[]> {
    const before = await this.database.query((db) => listGrants(db, requestId))
    if (before.length > 0) return before
    const one = await this.desk.requests.get(requestId, signal)
    const { row, known } = one
    const { state } = row.progress
    if (state.name !== 'released') throw new EscrowError('REQUEST_STATE', `expected the request released, got ${state.name}`)
    requireJurisdiction(known.signed.body, this.replicas.replicas)
    await this.desk.requests.requireStanding(one, new Date(state.since))
    const deposits = await this.readAgain(one, signal)
    const grants = grantsOf(one, { deposits, at: this.clock.now(), expiresAt: new Date(state.until) })
    const turn = {
      known,
      row,
      step: { progress: row.progress, events: [] },
      statements: [],
      drafts: grants.map((grant) => draftOf(row, grant)),
    }
    await this.desk.turns.run(
      turn,
      async (tx) => {
        for (const grant of grants) await insertGrant(tx, grant)
      },
      signal,
    )
    return grants
  }

  /** Pins each deposit and reads every object of its chain. */
  private async readAgain(one: RequestCase, signal?: AbortSignal): Promise<readonly GrantedDeposit[]> {
    const pinned = await this.pin(one, requestedDeposits(one))
    await this.fixity.run(one.row.agreementId, pinned, signal)
    return pinned.map(({ source, sequence }) => ({ source, sequence }))
  }

  private async pin({ row }: RequestCase, wanted: readonly RequestedDeposit[]): Promise<readonly DepositRow[]> {
    const { agreementId, epoch } = row
    const open = wanted.filter(({ sequence }) => sequence === null).map(({ source }) => source)
    const newest = await this.database.query((db) => listLatestOpenableOf(db, agreementId, open, epoch))
    const pinned: DepositRow[] = []
    for (const { source, sequence } of wanted) {
      const deposit =
        sequence === null
          ? newest.find((latest) => latest.source === source)
          : await this.database.query((db) => findDeposit(db, { agreementId, source }, sequence))
      if (deposit?.epoch !== epoch) {
        const what = sequence === null ? 'a deposit' : `deposit ${sequence}`
        throw new EscrowError('DEPOSIT_STATE', `expected ${what} of ${source} under epoch ${epoch}, got none`)
      }
      pinned.push(deposit)
    }
    return pinned
  }
}

function requestedDeposits(one: RequestCase): readonly RequestedDeposit[] {
  const { statement } = one.verify(one.row.requestDigest)
  return statement.type === 'escrow/statement/release-request/v1' ? statement.deposits : []
}

function grantsOf(
  one: RequestCase,
  what: { readonly deposits: readonly GrantedDeposit[]; readonly at: Date; readonly expiresAt: Date },
): readonly GrantRow[] {
  const { licence } = parseReleasePolicy(one.known.signed.body.release)
  const days = licence.returnOrDestroyDays
  const returnByAt = days === null ? null : new Date(what.at.getTime() + days * dayMs)
  const { statement } = one.verify(one.row.requestDigest)
  const beneficiaries = statement.type === 'escrow/statement/release-request/v1' ? statement.beneficiaries : []
  return beneficiaries.map(({ party }) => ({
    requestId: one.row.requestId,
    beneficiary: party,
    deposits: what.deposits,
    grantedAt: what.at,
    expiresAt: what.expiresAt,
    revokedAt: null,
    returnByAt,
    returnDueAt: null,
    returnedAt: null,
  }))
}

function draftOf(row: RequestCase['row'], grant: GrantRow): EventDraft {
  const request = RequestId.parse(row.requestId)
  return {
    type: 'escrow/event/grant-given/v1',
    agreement: AgreementId.parse(row.agreementId),
    subject: request,
    request,
    beneficiary: grant.beneficiary,
    deposits: [...grant.deposits],
    expiresAt: grant.expiresAt.toISOString(),
  }
}
