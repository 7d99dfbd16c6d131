import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AdaptersModule, type Adapters } from '../../src/adapters.module.js'
import type { Database } from '../../src/db/database.js'
import { HomeLock } from '../../src/db/home-lock.js'
import { PgliteDatabase } from '../../src/db/pglite-database.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import type { Replica } from '../../src/store/replica.js'
import { copyRows, fillDatabaseFolder, testDatabase, type TestDatabase } from './test-database.js'

/**
 * Put doubles between the service and the adapters that its commands open. They come after the check of the replicas at start-up.
 *
 * @returns what takes them out again.
 */
export function interpose(wrap: (adapters: Adapters) => Adapters): () => void {
  const of = AdaptersModule.of.bind(AdaptersModule)
  AdaptersModule.of = (adapters) => of(wrap(adapters))
  return () => {
    AdaptersModule.of = of
  }
}

/** The same replicas, each with something put around its stores. */
export function aroundReplicas(adapters: Adapters, around: (replica: Replica) => Pick<Replica, 'store' | 'heads'>): ReplicaSet {
  return new ReplicaSet(adapters.replicas.replicas.map((replica) => ({ ...replica, ...around(replica) })))
}

/** The databases that stand for folders, by path; null while folders are folders. */
let inMemory: Map<string, Promise<TestDatabase>> | null = null

/** Put an up-to-date database into a folder, as a first start would leave it; nothing where folders are databases in memory. */
export async function layInDatabase(folder: string): Promise<void> {
  if (inMemory !== null) return
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 })
  await fillDatabaseFolder(folder)
}

/** Let a copied home have a copy of the database, too. `dropDatabase` gives it back: each takes some hundred megabytes. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const source = await inMemory?.get(from)
  if (source === undefined) return
  const target = await testDatabase()
  await copyRows(source, target)
  inMemory?.set(to, Promise.resolve(target))
}

/** Forget the database that stands for a folder. */
export async function dropDatabase(folder: string): Promise<void> {
  const database = inMemory?.get(folder)
  inMemory?.delete(folder)
  await (await database)?.close()
}

/**
 * Let every database folder that a command opens be a database in memory that outlives the command: opening one from a folder takes most
 * of a command's time. The lock of the folder is taken.
 *
 * @returns what gives the databases back and lets folders be folders again.
 */
export function databasesInMemory(): () => Promise<void> {
  const open = PgliteDatabase.open.bind(PgliteDatabase)
  const before = inMemory
  const opened = new Map<string, Promise<TestDatabase>>()
  const lend = async (folder: string): Promise<PgliteDatabase> => {
    const found = opened.get(folder) ?? testDatabase()
    opened.set(folder, found)
    const { exclusive } = await found
    const lock = await HomeLock.take(join(dirname(folder), 'db.lock'))
    // A command closes what it opened; the next one finds it as it was left.
    const kept: Database = {
      exclusive,
      query: async (run) => (await found).query(run),
      read: async (statement, asked) => (await found).read(statement, asked),
      transaction: async (run) => (await found).transaction(run),
      close: () => lock.release(),
    }
    return kept as PgliteDatabase
  }
  PgliteDatabase.open = lend
  inMemory = opened
  return async () => {
    inMemory = before
    PgliteDatabase.open = open
    for (const database of opened.values()) await (await database).close()
  }
}
