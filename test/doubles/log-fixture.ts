import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'
import { sha256 } from '../../src/crypto/digest.js'
import type { Database } from '../../src/db/database.js'
import type { CheckpointPolicy } from '../../src/format/checkpoint.js'
import { noteKey, signatureType } from '../../src/format/note.js'
import { formatLogEntry, logTag } from '../../src/format/log-entry.js'
import { leafHash } from '../../src/format/merkle.js'
import { EventLog, type EventDraft, type Recording } from '../../src/log/event-log.js'
import { insertEntries } from '../../src/log/log.table.js'
import { LogStore } from '../../src/log/log-store.js'
import { Sequencer } from '../../src/log/sequencer.js'
import type { CheckpointWitnesses } from '../../src/log/witness-round.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { FailingDatabase, FailingHeads, FailingStore, FailingWrites } from './failing-writes.js'
import { ManualClock } from './manual-clock.js'
import { testDatabase } from './test-database.js'

export const origin = 'log.example.ch/escrow'
export const logKey = signingKeyFromSeed(new Uint8Array(32).fill(1))
export const agreementId = 'agr_aaaaaaaaaaaaaaaaaaaa'
export const tagSecret = new Uint8Array(32).fill(7)
const retentionMs = 400 * 86_400_000

/** The policy that trusts this log and demands no witness. */
export const policy: CheckpointPolicy = {
  origin,
  logKey: noteKey(origin, signatureType.ed25519, logKey.publicKey),
  witnesses: [],
  witnessQuorum: 0,
}

/** An event that needs nothing else to exist. */
export function missed(source: string, day = 1): Recording {
  const dueAt = new Date(Date.UTC(2026, 0, day)).toISOString()
  const draft = { type: 'escrow/event/deposit-missed/v1', agreement: agreementId, subject: source, source, dueAt, deadlineAt: dueAt }
  return { draft: draft as EventDraft, tagSecret }
}

/** Pending entries of one subject without event files behind them. */
export async function seedEntries(
  database: Database,
  { subject, count, at }: { readonly subject: string; readonly count: number; readonly at: Date },
): Promise<void> {
  const tag = Buffer.from(logTag(tagSecret, subject)).toString('hex')
  const rows = Array.from({ length: count }, (_, place) => {
    const digest = sha256(Buffer.from(`${subject} ${place}`))
    const leaf = leafHash(formatLogEntry({ tag: Buffer.from(tag, 'hex'), digest }))
    const [leafHex, eventDigest] = [leaf, digest].map((bytes) => Buffer.from(bytes).toString('hex')) as [string, string]
    return { leafHash: leafHex, tag, tagNumber: place + 1, eventDigest, agreementId, subject, eventType: 'seed', recordedAt: at }
  })
  await database.transaction((tx) => insertEntries(tx, rows))
}

/** A log on real replicas in folders and a real database, with faults to plan. */
export class LogFixture {
  readonly clock = new ManualClock()
  readonly retainUntil = (at: Date) => new Date(at.getTime() + retentionMs)
  holders = 0
  seeds = 0

  private constructor(
    readonly home: string,
    readonly inner: Database,
    readonly heads: FailingHeads[],
    readonly replicas: ReplicaSet,
    readonly database: Database,
    readonly writes: FailingWrites,
  ) {}

  static async open(names: readonly string[] = ['north', 'south'], index?: Database): Promise<LogFixture> {
    const home = await mkdtemp(join(tmpdir(), 'escrow-log-'))
    const writes = new FailingWrites()
    const inner = index ?? (await testDatabase())
    const heads: FailingHeads[] = []
    const replicas = await Promise.all(
      names.map(async (name) => {
        await makeStoreFolder(join(home, name, 'store'))
        await makeStoreFolder(join(home, name, 'heads'))
        const store = new FailingStore(new FsObjectStore(join(home, name, 'store'), new SystemClock(), new SystemEntropy()), writes)
        const head = new FailingHeads(new FsLogHeadStore(join(home, name, 'heads'), new SystemEntropy()), writes)
        heads.push(head)
        return { name, store, heads: head, country: 'CH', control: 'CH' }
      }),
    )
    return new LogFixture(home, inner, heads, new ReplicaSet(replicas), new FailingDatabase(inner, writes), writes)
  }

  get store(): LogStore {
    return new LogStore(this.replicas)
  }

  /** An event log as a new process makes it. */
  events(): EventLog {
    return new EventLog(this.database, this.replicas, this.clock, new SystemEntropy(), this.retainUntil)
  }

  /** A sequencer as a new process makes it. */
  sequencer(witnesses: CheckpointWitnesses | null = null): Sequencer {
    this.holders += 1
    const identity = { origin, signer: logKey, holder: `process-${this.holders}`, retainUntil: this.retainUntil, witnesses }
    return new Sequencer(this.database, this.store, this.clock, identity)
  }

  /** Record so many events of one source, each in its own transaction. */
  async record(count: number, source = 'engine'): Promise<void> {
    for (let day = 1; day <= count; day += 1) await this.events().record(missed(source, day), async () => undefined)
  }

  /** Pending entries without event files behind them, where only the log matters: files cost a disk's patience. */
  async seed(count: number): Promise<void> {
    this.seeds += 1
    await seedEntries(this.inner, { subject: `seed-${this.seeds}`, count, at: this.clock.now() })
  }

  /** The same stores under another index, as after a restore from a backup. */
  over(database: Database): LogFixture {
    return Object.assign(Object.create(LogFixture.prototype) as LogFixture, this, { database })
  }

  async close(): Promise<void> {
    await this.inner.close()
    await rm(this.home, { recursive: true })
  }
}
