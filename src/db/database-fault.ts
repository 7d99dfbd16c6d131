import { DrizzleQueryError, sql } from 'drizzle-orm'
import { BugError, EscrowError } from '../core/errors.js'
import type { Tx } from './database.js'

/** SQLSTATE classes and codes (PostgreSQL manual, appendix A): somebody else was quicker. */
const conflict = /^(?:23505|23P01|40001|40P01|55P03)$/
/** Connection, authorization, missing database, resources, operator intervention, I/O and internal errors, damaged files. */
const unavailable = /^(?:08|28|3D|53|57|58|F0|XX)/
/** What node's sockets and name resolution say. */
const socket = /^E(?:CONN|HOST|NET|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|NOENT|ACCES)/
/** Faults of pg and PGlite that carry no code. */
const words = /connection|timeout exceeded|timed out|read timeout|end on the pool|not queryable|PGlite is clos|unreachable|memory access/i

/**
 * Translate what a driver threw. `DrizzleQueryError` carries the parameters in its message, so it never leaves this folder.
 *
 * @returns `DATABASE_CONFLICT` or `DATABASE_UNAVAILABLE`, or a BugError for a statement that can never succeed.
 */
export function databaseFault(thrown: unknown): Error {
  const error = thrown instanceof DrizzleQueryError ? thrown.cause : thrown
  if (error instanceof EscrowError || error instanceof BugError) return error
  if (!(error instanceof Error)) return new BugError('the database driver threw something that is no error')
  const code = text(error, 'code')
  if (conflict.test(code)) {
    return new EscrowError('DATABASE_CONFLICT', `the database refused a change that contradicts another one`, {
      details: { sqlState: code, rule: text(error, 'constraint') },
      cause: error,
    })
  }
  if (unavailable.test(code) || socket.test(code) || (code === '' && words.test(error.message))) {
    return new EscrowError('DATABASE_UNAVAILABLE', `the database does not answer: ${code === '' ? error.message : code}`, { cause: error })
  }
  return new BugError(`the database refused a statement: ${code} ${text(error, 'constraint')} ${error.message}`, { cause: error })
}

/**
 * Run a function with a lent handle and translate the faults of the database, and only those.
 *
 * @param lend - opens the handle and passes it to the function it is given.
 */
export async function translateFaults<H, T>(
  lend: (run: (handle: H) => Promise<T>) => Promise<T>,
  run: (handle: H) => Promise<T>,
): Promise<T> {
  const own: { thrown?: unknown } = {}
  try {
    return await lend(async (handle) => {
      try {
        return await run(handle)
      } catch (error) {
        if (!(error instanceof DrizzleQueryError)) own.thrown = error
        throw error
      }
    })
  } catch (error) {
    if ('thrown' in own && own.thrown === error) throw error
    throw databaseFault(error)
  }
}

/**
 * Make sure that COMMIT will commit: after a failed statement that was swallowed, PostgreSQL answers it with a rollback and no error.
 * Costs a round trip; the status that pg keeps is one message behind.
 *
 * @throws BugError
 */
export async function committable<T>(tx: Tx, result: T): Promise<T> {
  try {
    await tx.execute(sql`select 1`)
  } catch (error) {
    const fault = databaseFault(error)
    throw fault instanceof BugError ? new BugError('a transaction went on after a failed statement', { cause: error }) : fault
  }
  return result
}

function text(error: Error, field: string): string {
  const value: unknown = Reflect.get(error, field)
  return typeof value === 'string' ? value : ''
}
