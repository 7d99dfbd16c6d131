// PostgreSQL inside this process, for the laptop footprint and for tests.
// What it is not: durable against a power cut. It makes no fsync call (decision of its authors); killed processes are survived.
// What it trusts: that nobody but the holder of the home lock opens the folder; PGlite itself takes no lock, and two writers lose rows.
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { dirname, join } from 'node:path'
import { makeFolders } from '../core/make-folders.js'
import { committable, databaseFault, translateFaults } from './database-fault.js'
import { Database, type Db, type Tx } from './database.js'
import { HandleScope } from './handle-scope.js'
import { HomeLock } from './home-lock.js'
import { migrate } from './migrate.js'
import type { Prepared } from './prepared.js'

/** Adapter: a folder that one process at a time opens, or memory. One connection: transactions run one after the other. */
export class PgliteDatabase extends Database {
  readonly exclusive = true
  readonly #scope = new HandleScope()
  readonly #client: PGlite
  readonly #db: Db
  readonly #lock: HomeLock | null
  #closed: Promise<void> | undefined

  private constructor(client: PGlite, lock: HomeLock | null) {
    super()
    this.#client = client
    this.#db = drizzle(client)
    this.#lock = lock
  }

  /**
   * Open a folder, making it if need be, and bring the tables up to date. The lock lies beside it as `db.lock`.
   *
   * @param folder - absolute; its parent is the home folder.
   * @throws EscrowError `HOME_LOCKED` when another process, or this one, has it open; `DATABASE_UNAVAILABLE` when its files are damaged.
   */
  static async open(folder: string): Promise<PgliteDatabase> {
    await makeFolders(folder, { mode: 0o700 })
    const lock = await HomeLock.take(join(dirname(folder), 'db.lock'))
    try {
      return await PgliteDatabase.#start(await PGlite.create({ dataDir: folder }), lock)
    } catch (error) {
      await lock.release()
      throw databaseFault(error)
    }
  }

  /**
   * Open a database in memory that is gone when it is closed.
   *
   * @param image - what `image()` gave for another one; left out, an empty database with up-to-date tables.
   */
  static async openInMemory(image?: Blob): Promise<PgliteDatabase> {
    return PgliteDatabase.#start(await PGlite.create(image === undefined ? {} : { loadDataDir: image }), null)
  }

  static async #start(client: PGlite, lock: HomeLock | null): Promise<PgliteDatabase> {
    const database = new PgliteDatabase(client, lock)
    try {
      await migrate(database.#db)
    } catch (error) {
      await client.close()
      throw error
    }
    return database
  }

  query<T>(run: (db: Db) => Promise<T>): Promise<T> {
    return this.#scope.enter(() => translateFaults<Db, T>((lent) => lent(this.#db), run))
  }

  read<Asked, Row>(statement: Prepared<Asked, Row>, asked: Asked): Promise<readonly Row[]> {
    return this.query((db) => statement(db, asked))
  }

  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#scope.enter(() =>
      translateFaults<Tx, T>((lent) => this.#db.transaction(async (tx) => committable(tx, await lent(tx))), run),
    )
  }

  /** The session itself, for the job queue: its tables lie in a schema of their own. */
  get session(): PGlite {
    return this.#client
  }

  /** The whole database as a tar file, for `openInMemory`. */
  async image(): Promise<Blob> {
    return this.#client.dumpDataDir('none')
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      await this.#client.close()
    } finally {
      await this.#lock?.release()
    }
  }
}
