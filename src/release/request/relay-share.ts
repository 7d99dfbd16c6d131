import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import { objectKeys } from '../../store/object-key.js'
import { AdvanceRequest } from './advance-request.js'
import type { VerifiedStatement, VerifyStatement } from '../rules/quorum.js'
import { recordedDraft } from '../record-turn.js'
import { againOnConflict, ReleaseDesk } from './release-desk.js'
import { advance } from '../rules/release-request.js'
import {
  findRequestByDigest,
  insertHeldShare,
  listUnstoredShares,
  markShareStored,
  releaseShares,
  updateRequest,
  type RequestRow,
} from '../release.table.js'
import { caseVerifier, type RequestCase } from './request-shelf.js'
import { keepsShares, sortShares, type ShareRelay } from '../rules/share-relay.js'
import { peekStatement } from '../rules/statement-verifier.js'
import { SwitchEpoch } from './switch-epoch.js'

/** What became of a delivered share. */
export interface Relayed {
  readonly agreementId: string
  readonly requestId: string
  readonly state: string
  /** How many of how many custodians' shares are held; what was passed on counts. */
  readonly held: number
  readonly need: number
}

const pageSize = 200

/**
 * Takes custodians' sealed shares and passes them on, never opened, once t of them are structurally valid and the state allows it. Until
 * then their bytes lie in rows and nowhere else; the decision falls in one transaction, and only after it does a share enter the store.
 */
@Injectable()
export class RelayShare {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(AdvanceRequest) private readonly advanceRequest: AdvanceRequest,
    @Inject(SwitchEpoch) private readonly epochs: SwitchEpoch,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Relay a share. Idempotent for the same document.
   *
   * @param bytes - a signed share-release; attacker-controlled.
   * @throws EscrowError `SHARE_INVALID` naming what is wrong with it; `REQUEST_STATE` when no share is awaited; `APPROVER_POLICY`
   *   when the approvals no longer suffice; `SIGNATURE_INVALID`, `STATEMENT_INVALID`, `NOT_FOUND`; then it is not kept
   */
  async run(bytes: Uint8Array, signal?: AbortSignal): Promise<Relayed> {
    const { statement, digest } = peekStatement(bytes)
    if (statement.type !== 'escrow/statement/share-release/v1') {
      throw new EscrowError('STATEMENT_INVALID', `expected a share release, got ${statement.type}`)
    }
    const row = await this.database.query((db) => findRequestByDigest(db, statement.requestDigest))
    if (row === null) throw new EscrowError('NOT_FOUND', `no release request has the digest ${statement.requestDigest}`)
    // A clock that has not run out would change nothing; for hundreds of shares it matters that nothing is opened for that.
    const isDue = row.dueAt !== null && row.dueAt <= this.clock.now()
    if (isDue) await this.advanceRequest.run(row.requestId, { kind: 'clock' }, undefined, signal)
    return againOnConflict(() => this.accept(row.requestId, { digest, bytes }, signal))
  }

  /**
   * Bring every share that may be passed on into the store: after the decision, or after a run that stopped in between.
   *
   * @returns how many were stored.
   */
  async storeReleased(signal?: AbortSignal): Promise<number> {
    const rows = await this.database.query((db) => listUnstoredShares(db, null, pageSize))
    for (const requestId of new Set(rows.map((row) => row.requestId))) await this.storeOf(requestId, signal)
    return rows.length
  }

  private async storeOf(requestId: string, signal?: AbortSignal): Promise<void> {
    const shares = await this.database.query((db) => listUnstoredShares(db, requestId, pageSize))
    const { known, row } = await this.desk.requests.head(requestId)
    const documents = shares.map(({ digest, document }) => ({ key: keyOf(row, digest), bytes: document }))
    await this.desk.files.keepAll(known, documents, signal)
    await this.database.transaction(async (tx) => {
      for (const { digest } of shares) await markShareStored(tx, requestId, digest, this.clock.now())
    })
  }

  /**
   * Pass on what came while a hold stood in the way, once the request is in releasing again. Idempotent.
   *
   * @returns the state afterwards.
   * @throws EscrowError `NOT_FOUND`; `SIGNATURE_INVALID` when a share no longer verifies
   */
  async passHeld(requestId: string, signal?: AbortSignal): Promise<string> {
    return againOnConflict(async () => {
      const one = await this.desk.requests.get(requestId, signal)
      const { progress } = one.row
      const before = one.shares
      if (before.length === 0 || progress.state.name !== 'releasing') return progress.state.name
      const relay = sortShares(
        before.map((row) => row.digest),
        progress,
        { frame: one.frame, now: this.clock.now(), verify: one.verify },
      )
      if (relay.releasable.length === 0) return progress.state.name
      await this.passOn(one, { digests: relay.releasable, hold: () => Promise.resolve(), verify: one.verify }, signal)
      return 'released'
    })
  }

  private async accept(
    requestId: string,
    share: { readonly digest: string; readonly bytes: Uint8Array },
    signal?: AbortSignal,
  ): Promise<Relayed> {
    const one = await this.desk.requests.get(requestId, signal)
    const { progress } = one.row
    if (!keepsShares(progress.state)) {
      throw new EscrowError('REQUEST_STATE', `expected the request in releasing, got ${progress.state.name}: no share is kept`)
    }
    const verify = caseVerifier(one, new Map([[share.digest, share.bytes]]))
    const before = one.shares
    const known = before.map((row) => row.digest)
    const relay = sortShares([...known, share.digest], progress, { frame: one.frame, now: this.clock.now(), verify })
    if (!known.includes(share.digest)) requireSound(relay, share.digest)
    const waiting = relay.releasable.filter((digest) => !before.some((row) => row.digest === digest && row.releasedAt !== null))
    const hold = (tx: Tx) => this.hold(tx, { requestId, ...share, party: verify(share.digest).signer })
    if (waiting.length > 0) await this.passOn(one, { digests: waiting, hold, verify }, signal)
    else if (!known.includes(share.digest)) await this.keep(one.row, hold)
    // It comes again, because the answer was lost: perhaps we had stopped half way.
    else if (before.some((row) => row.releasedAt !== null && row.storedAt === null)) await this.storeOf(requestId, signal)
    const after = waiting.length > 0 ? 'released' : progress.state.name
    return { requestId, agreementId: one.row.agreementId, state: after, held: relay.held.length, need: one.frame.roster.vault.threshold }
  }

  private hold(
    tx: Tx,
    share: { readonly requestId: string; readonly digest: string; readonly bytes: Uint8Array; readonly party: string },
  ): Promise<void> {
    const { requestId, digest, bytes, party } = share
    return insertHeldShare(tx, {
      requestId,
      digest,
      party,
      document: bytes,
      receivedAt: this.clock.now(),
      releasedAt: null,
      storedAt: null,
    })
  }

  /** Too few yet. Nothing is logged: the log would keep for ever what a withdrawal must undo. */
  private async keep(row: RequestRow, hold: (tx: Tx) => Promise<void>): Promise<void> {
    await this.database.transaction(async (tx) => {
      // Nobody may have moved the request since it was read: shares of a request that was withdrawn meanwhile are not kept.
      await updateRequest(tx, row, row)
      await hold(tx)
    })
  }

  /** The decision, in one transaction: the request is released, its epoch burned, the shares may go. */
  private async passOn(
    one: RequestCase,
    shares: { readonly digests: readonly string[]; readonly hold: (tx: Tx) => Promise<void>; readonly verify: VerifyStatement },
    signal?: AbortSignal,
  ): Promise<void> {
    const { digests, verify } = shares
    const { row, frame, known } = one
    const at = this.clock.now()
    const first = row.progress.state.name === 'releasing'
    if (first) await this.desk.requests.requireStanding(one, at)
    const unmoved = { progress: row.progress, events: [] }
    const step = first ? advance(row.progress, { kind: 'shares', digests }, { frame, now: at, verify }) : unmoved
    if (first && step.progress.state.name !== 'released') {
      throw new EscrowError('REQUEST_STATE', `expected the votes to suffice still, but the request is ${step.progress.state.name}`)
    }
    const epochs = await this.epochs.run(known, { epoch: frame.epoch, requestId: row.requestId, at })
    const recorded = digests.map((digest) => this.draftOf(row, verify(digest)))
    const change = async (tx: Tx) => {
      await shares.hold(tx)
      await releaseShares(tx, row.requestId, digests, at)
      await epochs.change(tx)
    }
    await this.desk.turns.run({ known, row, step, statements: [], first: recorded, drafts: epochs.drafts }, change, signal)
    // If we stop here, the next sweep stores them.
    await this.storeOf(row.requestId, signal)
  }

  private draftOf(row: RequestRow, verified: VerifiedStatement) {
    const subject = { agreement: AgreementId.parse(row.agreementId), subject: row.requestId }
    return recordedDraft({ verified, key: keyOf(row, verified.digest) }, subject)
  }
}

function requireSound(relay: ShareRelay, digest: string): void {
  const refused = relay.refused.find((share) => share.digest === digest)
  if (refused === undefined) return
  throw new EscrowError('SHARE_INVALID', `expected a share that can be passed on, got one by ${refused.party}: ${refused.problem}`)
}

function keyOf(row: RequestRow, digest: string) {
  return objectKeys.releasedShare(AgreementId.parse(row.agreementId), RequestId.parse(row.requestId), digest)
}
