/**
 * PGlite in the place of the `pg.Pool` that BullMQ's PostgreSQL backend wants. How it differs:
 *
 * - There is one session, shared with the index. Each statement runs in a transaction of its own with the queue's schema as search path,
 *   so that neither sees the other's names. Clients of this pool are therefore no sessions: BEGIN on one of them would mean nothing, and
 *   is refused.
 * - LISTEN is taken by PGlite itself, and stays until the client is released.
 * - `end` closes nothing: the session belongs to whoever opened it.
 *
 * A job is never enqueued inside a transaction of the index: with one session it would wait for itself.
 */
import type { PGlite, Transaction } from '@electric-sql/pglite'
import type { PgPool, PgPoolClient, PgQueryResult } from 'bullmq'
import { EventEmitter } from 'node:events'
import { assert } from '../core/errors.js'

/** The schema of the queue's tables, in PGlite and on a server. */
export const queueSchema = 'bullmq'

const listenStatement = /^(?:\s|--[^\n]*\n)*listen\s+"?(\w+)"?\s*;?\s*$/i
const transactionStatement = /^\s*(?:begin|commit|rollback)\b/i

/** The pool. `options` tells the backend that a broken connection would be noticed: there is none that could break. */
export class PglitePool extends EventEmitter implements PgPool {
  readonly options = { keepAlive: true }

  constructor(readonly session: PGlite) {
    super()
  }

  async query<R>(text: string, params: readonly unknown[] = []): Promise<PgQueryResult<R>> {
    assert(!transactionStatement.test(text), 'a statement of the queue is a transaction of its own')
    return this.session.transaction(async (tx) => {
      await tx.exec(`set local search_path to ${queueSchema}`)
      const { rows, affectedRows } = await tx.query<R>(text, [...params])
      return { rows, rowCount: affectedRows ?? rows.length }
    })
  }

  async connect(): Promise<PgPoolClient> {
    return new PgliteClient(this)
  }

  async end(): Promise<void> {}
}

class PgliteClient extends EventEmitter implements PgPoolClient {
  readonly #pool: PglitePool
  readonly #unlisten: (() => Promise<void>)[] = []

  constructor(pool: PglitePool) {
    super()
    this.#pool = pool
  }

  async query<R>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    const [, channel] = listenStatement.exec(text) ?? []
    if (channel === undefined) return this.#pool.query<R>(text, params)
    const forward = (payload: string) => void this.emit('notification', { channel, payload })
    this.#unlisten.push(await this.#pool.session.listen(channel, forward))
    return { rows: [], rowCount: 0 }
  }

  release(): void {
    this.removeAllListeners()
    // When the session is closed already there is nothing to stop listening on.
    for (const stop of this.#unlisten.splice(0)) void stop().catch(() => undefined)
  }
}

/**
 * Run several statements as one transaction on one session, as BullMQ's migrations want it: they begin and end it themselves.
 *
 * @param run - gets a client whose BEGIN and COMMIT do nothing.
 */
export async function inOneTransaction(session: PGlite, run: (client: Pick<PgPool, 'query'>) => Promise<void>): Promise<void> {
  await session.transaction((tx) => run({ query: (text, params) => statementIn(tx, text, params) }))
}

async function statementIn<R>(tx: Transaction, text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
  if (transactionStatement.test(text)) return { rows: [] }
  if (params !== undefined) return tx.query<R>(text, [...params])
  // Several statements in one text are allowed only without parameters.
  const results = await tx.exec(text)
  return { rows: (results.at(-1)?.rows ?? []) as R[] }
}
