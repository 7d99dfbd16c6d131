import type { Adapters } from '../../src/adapters.module.js'
import { EscrowError } from '../../src/core/errors.js'
import { Database, type Db, type Tx } from '../../src/db/database.js'
import type { Prepared } from '../../src/db/prepared.js'
import { LogHeadStore } from '../../src/store/log-head-store.js'
import type { ObjectKey } from '../../src/store/object-key.js'
import { ObjectStore, type ObjectUpload, type ReadRange, type StoredObject, type StoreReport } from '../../src/store/object-store.js'
import { ReplicaSet } from '../../src/store/replica-set.js'

/**
 * How the chosen write fails: nothing was stored, or it was stored and the answer was lost; and then the rest goes on, or the machine has
 * died and nothing answers any more.
 */
export type WriteFault = 'not stored' | 'answer lost' | 'not stored, then dead' | 'stored, then dead'
export const writeFaults: readonly WriteFault[] = ['not stored', 'answer lost', 'not stored, then dead', 'stored, then dead']

/** Counts every write to the database and the stores, and lets one of them fail. Wrap each port with it once. */
export class FailingWrites {
  /** Writes so far. */
  count = 0
  /** Whether the planned fault has struck. */
  struck = false
  #plan: { readonly at: number; readonly fault: WriteFault } | null = null
  #dead = false

  /** Let the write of this number fail, counted from 1 from now on. */
  plan(at: number, fault: WriteFault): void {
    this.count = 0
    this.struck = false
    this.#dead = false
    this.#plan = { at, fault }
  }

  /** The machine is up again and all goes well. */
  revive(): void {
    this.#plan = null
    this.#dead = false
  }

  /** Do a write, or fail as planned. */
  async write<T>(effect: () => Promise<T>, failure: () => EscrowError): Promise<T> {
    if (this.#dead) throw failure()
    this.count += 1
    if (this.#plan?.at !== this.count) return effect()
    const { fault } = this.#plan
    this.struck = true
    if (fault === 'answer lost' || fault === 'stored, then dead') await effect()
    this.#dead = fault.endsWith('dead')
    throw failure()
  }

  /** Reading fails only on a dead machine. */
  read(failure: () => EscrowError): void {
    if (this.#dead) throw failure()
  }
}

const storeFailure = () => new EscrowError('STORE_UNREACHABLE', 'the store does not answer (planned)')
const databaseFailure = () => new EscrowError('DATABASE_UNAVAILABLE', 'the database does not answer (planned)')

/** A database whose commits fail as planned. */
export class FailingDatabase extends Database {
  constructor(
    private readonly inner: Database,
    private readonly writes: FailingWrites,
  ) {
    super()
  }

  get exclusive(): boolean {
    return this.inner.exclusive
  }

  async query<T>(run: (db: Db) => Promise<T>): Promise<T> {
    this.writes.read(databaseFailure)
    return this.inner.query(run)
  }

  async read<Asked, Row>(statement: Prepared<Asked, Row>, asked: Asked): Promise<readonly Row[]> {
    this.writes.read(databaseFailure)
    return this.inner.read(statement, asked)
  }

  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.writes.write(() => this.inner.transaction(run), databaseFailure)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

/** A log head store whose writes fail as planned, and that remembers all it was ever asked to show. */
export class FailingHeads extends LogHeadStore {
  readonly written: { readonly name: string; readonly bytes: Uint8Array }[] = []

  constructor(
    private readonly inner: LogHeadStore,
    private readonly writes: FailingWrites,
  ) {
    super()
  }

  async read(name: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    this.writes.read(storeFailure)
    return this.inner.read(name, signal)
  }

  write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.writes.write(async () => {
      this.written.push({ name, bytes })
      await this.inner.write(name, bytes, signal)
    }, storeFailure)
  }
}

/** An object store whose completions fail as planned. */
export class FailingStore extends ObjectStore {
  constructor(
    private readonly inner: ObjectStore,
    private readonly writes: FailingWrites,
  ) {
    super()
  }

  inspect(signal?: AbortSignal): Promise<StoreReport> {
    return this.inner.inspect(signal)
  }

  async openUpload(
    key: ObjectKey,
    options: { readonly retainUntil: Date; readonly supersede?: boolean },
    signal?: AbortSignal,
  ): Promise<ObjectUpload> {
    this.writes.read(storeFailure)
    const upload = await this.inner.openUpload(key, options, signal)
    return {
      write: (bytes) => upload.write(bytes),
      complete: () => this.writes.write(() => upload.complete(), storeFailure),
      abort: () => upload.abort(),
    }
  }

  get(key: ObjectKey, range?: ReadRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    this.writes.read(storeFailure)
    return this.inner.get(key, range, signal)
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<StoredObject | null> {
    this.writes.read(storeFailure)
    return this.inner.stat(key, signal)
  }

  versions(key: ObjectKey, signal?: AbortSignal): Promise<readonly StoredObject[]> {
    return this.inner.versions(key, signal)
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject> {
    return this.inner.list(prefix, signal)
  }

  async extendRetention(key: ObjectKey, versionId: string, retainUntil: Date, signal?: AbortSignal): Promise<StoredObject> {
    this.writes.read(storeFailure)
    return this.inner.extendRetention(key, versionId, retainUntil, signal)
  }
}

/** The adapters of a service, of which database and stores fail as planned. */
export function failingAdapters(writes: FailingWrites): (adapters: Adapters) => Adapters {
  return (adapters) => {
    const replicas = adapters.replicas.replicas.map((replica) => ({ ...replica, store: new FailingStore(replica.store, writes) }))
    return { ...adapters, database: new FailingDatabase(adapters.database, writes), replicas: new ReplicaSet(replicas) }
  }
}
