import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { EnvelopeRecord, PreparedDeposit } from '../../deposit/deposit-request.js'
import { Manifest } from '../../format/manifest.js'
import { countersign, digestOf, signDocument } from '../../format/signed-document.js'
import { objectKeys } from '../../store/object-key.js'
import { requireEvery, type ReplicaFault } from '../../store/replica.js'
import { AgentKeys } from '../agent-keys.js'
import { insertAttempt, moveAttempt, reviveAttempt } from '../basis/attempt.table.js'
import { holdLease, type Lease } from '../archive/lease.table.js'
import { findObject, recordObject } from '../archive/object.table.js'
import { objectDigests, recordPlacement, StoreDocument, type DocumentToStore } from '../archive/store-document.js'

/** What is to be stored: a deposit that was just prepared, or one that its depositor has sealed and signed. */
export type DepositToStore = Pick<PreparedDeposit, 'place' | 'attempt' | 'manifest' | 'envelope' | 'knownObjects'> & {
  readonly inventory: Pick<PreparedDeposit['inventory'], 'key' | 'bytes'>
  /** The manifest with the signatures that it already has; the agent adds its own. */
  readonly signed?: Uint8Array
  /** The depositor's signed word on what it sent, where it gave one. */
  readonly statement?: Uint8Array
}

/** A deposit whose objects are in the store and whose manifest is signed; what is missing is its publication. */
export interface StoredDeposit {
  readonly prepared: DepositToStore
  readonly manifestDigest: string
  /** As signed. */
  readonly manifestBytes: Uint8Array
  /** Replicas that hold everything. */
  readonly replicas: readonly string[]
  /** Replicas that have to catch up, each once. */
  readonly failed: readonly ReplicaFault[]
}

/** Keeps the index ahead of the store: whatever a replica may hold has been recorded before, so a crash leaves orphans, never secrets. */
@Injectable()
export class StoreDeposit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record an attempt and its envelope before the first replica completes it. Should we stop after this, the next run gives the attempt
   * up, and what the replicas hold of it is an orphan.
   *
   * @throws EscrowError `LEASE_LOST`, and then nothing becomes visible
   */
  async recordEnvelope(
    lease: Lease,
    record: EnvelopeRecord,
    wish: { readonly baseSequence: number; readonly epoch: number },
  ): Promise<void> {
    const { place, attempt: attemptId, envelope } = record
    const { sequence, kind } = place
    const startedAt = this.clock.now()
    await this.database.transaction(async (tx) => {
      const held = await holdLease(tx, lease)
      const baseSequence = kind === 'full' ? sequence : wish.baseSequence
      await insertAttempt(tx, held, { attemptId, sequence, kind, baseSequence, epoch: wish.epoch, startedAt })
      const digests = objectDigests({ ...envelope })
      await recordObject(tx, { key: record.key, purpose: 'envelope', agreementId: place.agreement, attemptId, ...digests })
      await moveAttempt(tx, held, { attemptId, from: 'taking', to: 'sealed', at: startedAt })
    })
  }

  /**
   * As `recordEnvelope`, for an envelope that somebody else has sealed: the same one may come again after an attempt with it was given up.
   *
   * @throws EscrowError `OBJECT_EXISTS` when its name was used for other bytes; `LEASE_LOST`
   */
  async recordReceived(
    lease: Lease,
    record: EnvelopeRecord,
    wish: { readonly baseSequence: number; readonly epoch: number },
  ): Promise<void> {
    const known = await this.database.query((db) => findObject(db, record.key))
    if (known !== null && (known.digest !== record.envelope.sha256 || known.attemptId !== record.attempt)) {
      throw new EscrowError('OBJECT_EXISTS', `${record.key} was received before with other bytes; seal the deposit again`)
    }
    const revived = await this.database.transaction(async (tx) => reviveAttempt(tx, await holdLease(tx, lease), record.attempt))
    if (!revived) await this.recordEnvelope(lease, record, wish)
  }

  /**
   * Store inventory and known objects of a deposit whose envelope is stored and checked, then sign and record its manifest.
   *
   * @returns with the attempt in state `stored`: if we stop after this, the next run publishes just this manifest.
   * @throws EscrowError `STORE_*`, `LEASE_LOST`
   */
  async run(lease: Lease, prepared: DepositToStore, retainUntil: Date, signal?: AbortSignal): Promise<StoredDeposit> {
    const { place, attempt: attemptId } = prepared
    if (prepared.envelope.placement.stored.length === 0) requireEvery(prepared.envelope.placement)
    await this.recordEnvelopeCopies(prepared)
    const kept = { agreementId: place.agreement, attemptId, retainUntil }
    const key = this.keys.signingKey
    const { signed } = prepared
    const manifest = signed === undefined ? signDocument({ body: prepared.manifest, schema: Manifest, key }) : countersign(signed, key)
    const documents: Pick<DocumentToStore, 'key' | 'bytes' | 'purpose'>[] = [
      { key: prepared.inventory.key, bytes: prepared.inventory.bytes, purpose: 'inventory' as const },
      { key: prepared.knownObjects.key, bytes: prepared.knownObjects.bytes, purpose: 'known-objects' as const },
    ]
    const said = prepared.statement
    if (said !== undefined) documents.push({ key: objectKeys.depositStatement(place), bytes: said, purpose: 'statement' as const })
    const placements = [prepared.envelope.placement]
    for (const document of documents) placements.push(await this.store.run({ ...document, ...kept }, signal))
    await this.database.transaction(async (tx) => {
      const held = await holdLease(tx, lease)
      const at = this.clock.now()
      await moveAttempt(tx, held, { attemptId, from: 'sealed', to: 'stored', at, manifest: Buffer.from(manifest).toString('utf8') })
    })
    const failed = new Map(placements.flatMap((placement) => placement.failed).map((fault) => [fault.replica, fault]))
    const replicas = prepared.envelope.placement.stored.map(({ replica }) => replica).filter((replica) => !failed.has(replica))
    return { prepared, manifestDigest: digestOf(prepared.manifest), manifestBytes: manifest, replicas, failed: [...failed.values()] }
  }

  private async recordEnvelopeCopies(prepared: DepositToStore): Promise<void> {
    const object = await this.database.query((db) => findObject(db, prepared.envelope.key))
    if (object === null) return
    const { placement } = prepared.envelope
    const storedAt = this.clock.now()
    await this.database.transaction((tx) => recordPlacement(tx, { objectId: object.objectId, placement, nextCheckAt: null, storedAt }))
  }
}
