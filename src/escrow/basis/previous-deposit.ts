import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { inventoryBytesMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import type { OpenedDeposit, PreviousDeposit } from '../../deposit/deposit-request.js'
import type { InventoryAttachment } from '../../format/attachment.js'
import { parseCanonical } from '../../format/canonical-json.js'
import { findUnknown } from '../../format/known-objects.js'
import { Inventory } from '../../format/manifest.js'
import { parseBody } from '../../format/parse-body.js'
import { parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { AgentKeys } from '../agent-keys.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import type { FoundBasis } from './basis.table.js'
import { findLatestDeposit, listChain, type DepositRow } from '../archive/deposit.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { listObjectsOfDeposits, type StoredObjectRow } from '../archive/object.table.js'
import { expectedOfRow, ReadDocument } from '../archive/read-document.js'

/** Reads from the store what the next deposit of a source is compared with and rests on. */
@Injectable()
export class ReadPreviousDeposit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
  ) {}

  /**
   * The newest deposit of a source.
   *
   * @returns null before the first. Its manifest is verified; its inventory is read when it is opened, and is null when the agent's key opens it
   *   no more: that costs one full deposit.
   * @throws EscrowError `OBJECT_*`, `STORE_*`, `SIGNATURE_INVALID` when the store gives no good manifest
   */
  async run(known: KnownAgreement, key: SourceKey, signal?: AbortSignal): Promise<PreviousDeposit | null> {
    return this.ofFound(known, { latest: await this.database.query((db) => findLatestDeposit(db, key)), manifest: null }, signal)
  }

  /** The same where the index was asked already. @param found.manifest - its object, if that is known. */
  async ofFound(
    known: KnownAgreement,
    { latest, manifest: object }: Pick<FoundBasis, 'latest' | 'manifest'>,
    signal?: AbortSignal,
  ): Promise<PreviousDeposit | null> {
    if (latest === null) return null
    const { body: manifest } = await this.documents.manifest(known, { row: latest, object }, signal)
    return { manifest, manifestDigest: latest.manifestDigest, open: () => this.open(latest, signal) }
  }

  private async open(row: DepositRow, signal?: AbortSignal): Promise<OpenedDeposit> {
    const { chain, objects } = await this.chain(row, row)
    return {
      inventory: await this.readInventory(row, objects, signal),
      knownObjects: () => this.streams(chain, objects, signal),
      history: () => this.history(chain, objects, signal),
      fullBundleBytes: chain[0]?.bundleBytes ?? 0,
    }
  }

  /**
   * Which of some objects the newest chain of a source holds.
   *
   * @param oids - full ids.
   * @throws EscrowError `KEY_INVALID` when another made its deposits; `FORMAT_INVALID`, `OBJECT_*`, `STORE_*`
   */
  async held(key: SourceKey, oids: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const row = await this.database.query((db) => findLatestDeposit(db, key))
    if (row === null) return new Set()
    const { chain, objects } = await this.chain(key, row)
    const wanted = oids.map((oid) => Buffer.from(oid, 'hex'))
    const files = this.streams(chain, objects, signal)
    const missing = await findUnknown(this.keys.knownObjectsKey(key.agreementId, key.source), files, wanted)
    const unknown = new Set(missing.map((oid) => Buffer.from(oid).toString('hex')))
    return new Set(oids.filter((oid) => !unknown.has(oid)))
  }

  private async chain(key: SourceKey, row: DepositRow): Promise<{ chain: readonly DepositRow[]; objects: readonly StoredObjectRow[] }> {
    const chain = await this.database.query((db) => listChain(db, key, row.sequence))
    const ids = chain.map((deposit) => deposit.depositId)
    return { chain, objects: await this.database.query((db) => listObjectsOfDeposits(db, ids)) }
  }

  private streams(chain: readonly DepositRow[], objects: readonly StoredObjectRow[], signal?: AbortSignal) {
    const fileOf = ({ depositId }: DepositRow) =>
      objects.find((object) => object.depositId === depositId && object.purpose === 'known-objects')
    return chain.map((deposit) => this.stream(fileOf(deposit), signal))
  }

  /**
   * What the inventories of the newest chain list as attachments, deposit by deposit.
   *
   * @throws EscrowError `OBJECT_*`, `STORE_*`
   */
  async *attachments(
    known: KnownAgreement,
    key: SourceKey,
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly epoch: number; readonly entries: readonly InventoryAttachment[] }> {
    const row = await this.database.query((db) => findLatestDeposit(db, key))
    if (row === null) return
    for (const deposit of await this.database.query((db) => listChain(db, key, row.sequence))) {
      const { body } = await this.documents.manifest(known, { row: deposit, object: null }, signal)
      if (body.attachments.length === 0) continue
      const objects = await this.database.query((db) => listObjectsOfDeposits(db, [deposit.depositId]))
      const inventory = await this.readInventory(deposit, objects, signal)
      yield { epoch: body.envelope.epoch, entries: inventory?.attachments ?? [] }
    }
  }

  private async readInventory(row: DepositRow, objects: readonly StoredObjectRow[], signal?: AbortSignal): Promise<Inventory | null> {
    const object = objects.find((candidate) => candidate.depositId === row.depositId && candidate.purpose === 'inventory')
    if (object === undefined) return null
    const sealed = await this.replicas.readVerified(parseObjectKey(object.key), expectedOfRow(object), {}, signal)
    try {
      return parseBody(parseCanonical(this.keys.openOwn(sealed), inventoryBytesMax), Inventory, 'inventory')
    } catch (error) {
      // Sealed to an agent key that is no more, or by a depositor who shows us no names.
      if (isEscrowError(error, 'ENVELOPE_RECIPIENT')) return null
      throw error
    }
  }

  private async *history(
    chain: readonly DepositRow[],
    objects: readonly StoredObjectRow[],
    signal?: AbortSignal,
  ): AsyncGenerator<readonly string[]> {
    for (const row of chain) yield (await this.readInventory(row, objects, signal))?.commits ?? []
  }

  private stream(object: StoredObjectRow | undefined, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    if (object === undefined) throw new EscrowError('OBJECT_MISSING', 'the index knows no known objects of a deposit in the chain')
    return this.replicas.readVerifiedStream(parseObjectKey(object.key), expectedOfRow(object), {}, signal)
  }
}
