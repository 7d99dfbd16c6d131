import type { PgDatabase, PgQueryResultHKT, PgTransaction } from 'drizzle-orm/pg-core'
import type { ExtractTablesWithRelations } from 'drizzle-orm'

/** Drizzle's query builder over one connection or pool; the same type for every adapter, because there is one dialect. */
export type Db = PgDatabase<PgQueryResultHKT>

/** A `Db` inside a transaction. `tx.transaction(...)` makes a savepoint. */
export type Tx = PgTransaction<PgQueryResultHKT, Record<string, never>, ExtractTablesWithRelations<Record<string, never>>>

/**
 * PORT: the index of the archive, in PostgreSQL's dialect. It can be lost and rebuilt from the store.
 *
 * Only `*.table.ts` files use the handles that `query` and `transaction` lend; a handle must not outlive the function that got it.
 * Transactions are short and do no I/O of their own: one adapter has a single connection.
 */
export abstract class Database {
  /**
   * Whether this process is the only one that can reach the rows (a home folder under its lock). Then a lease found at start-up
   * belongs to a process that has died.
   */
  abstract readonly exclusive: boolean

  /**
   * Run statements outside a transaction, each on its own.
   *
   * @throws BugError inside a transaction: with one connection it would wait for itself for ever.
   * @throws EscrowError `DATABASE_CONFLICT`, `DATABASE_UNAVAILABLE`
   */
  abstract query<T>(run: (db: Db) => Promise<T>): Promise<T>

  /**
   * Run one prepared statement that only reads and is quick, outside a transaction: for what is asked for hundreds of times a second. One
   * adapter sends those of many readers over the same connections, where each waits for the ones before it.
   *
   * @param statement - of `prepared`.
   * @throws BugError inside a transaction; for a statement that writes, where the adapter can tell.
   * @throws EscrowError `DATABASE_UNAVAILABLE`
   */
  abstract read<Asked, Row>(statement: (db: Db, asked: Asked) => Promise<readonly Row[]>, asked: Asked): Promise<readonly Row[]>

  /**
   * Run statements that take effect together or not at all; whatever `run` throws rolls back and is thrown on. Isolation is "read
   * committed": lock the rows that a decision rests on.
   *
   * @throws BugError inside another transaction (use `tx.transaction` for a savepoint), and when `run` swallowed a failed statement
   * and went on: PostgreSQL would answer COMMIT with a silent rollback.
   * @throws EscrowError `DATABASE_CONFLICT` when a unique rule, a deadlock or a serialization failure stopped it;
   * `DATABASE_UNAVAILABLE` when the connection failed. If it failed during COMMIT, nobody knows whether it took effect.
   */
  abstract transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>

  /** Let go of connections, files and locks; idempotent. Later calls throw `DATABASE_UNAVAILABLE`. */
  abstract close(): Promise<void>
}
