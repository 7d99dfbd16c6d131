// Connections on which the statements of many readers travel together: none waits for the answers to those before it, and what is asked in one
// turn of the event loop goes out in one write. A pool would give each statement a connection, a write and a wake-up of its own.
// What it is not: for statements that write or take long (whoever asks after them waits), nor for transactions (they would mix).
// What it trusts: that the server answers in the order in which it was asked, as PostgreSQL's protocol says ("Pipelining").
import { Client, type QueryArrayConfig, type QueryArrayResult, type QueryConfig } from 'pg'
import { Socket } from 'node:net'
import { assert, EscrowError } from '../core/errors.js'
import { databaseConnectTimeoutMs, databaseReadTimeoutMs, databaseStatementTimeoutMs } from '../core/limits.js'

/** Prepared statements that only read, on a few connections that are opened when they are first needed. */
export class PipelinedReads {
  readonly #lines: readonly Line[]

  /** @param url - secret. @param connections - 1 or more. */
  constructor(url: string, connections: number) {
    this.#lines = Array.from({ length: connections }, () => new Line(url))
  }

  /**
   * Ask on the connection with the fewest unanswered statements.
   *
   * @throws EscrowError `DATABASE_UNAVAILABLE` after `close`; whatever the driver throws.
   * @throws BugError for a statement without a name: it might begin a transaction, in which others would then run.
   */
  query(statement: QueryArrayConfig, values: unknown[]): Promise<QueryArrayResult>
  query(statement: QueryConfig, values: unknown[]): Promise<unknown>
  async query(statement: QueryConfig, values: unknown[]): Promise<unknown> {
    assert(statement.name !== undefined, 'only prepared statements travel together')
    const line = this.#lines.reduce((best, one) => (one.unanswered < best.unanswered ? one : best))
    return line.query(statement, values)
  }

  /** Let what was asked be answered, and hang up; idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#lines.map((line) => line.close()))
  }
}

/** A connection that is there. */
interface Open {
  readonly client: Client
  readonly socket: Socket
}

/** One connection, and the next one when it breaks. */
class Line {
  unanswered = 0
  /** The newest, whether it is open yet or not. */
  #client: Client | undefined
  #open: Open | undefined
  #opening: Promise<Open> | undefined
  #closed = false
  #gathering = false

  constructor(private readonly url: string) {}

  async query(statement: QueryConfig, values: unknown[]): Promise<unknown> {
    this.unanswered += 1
    try {
      const open = this.#open ?? (await this.#opened())
      this.#gather(open.socket)
      return await open.client.query(statement, values)
    } finally {
      this.unanswered -= 1
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opening?.then(({ client }) => client.end()).catch(() => undefined)
  }

  /** Writes of this turn wait for its end and go out together. */
  #gather(socket: Socket): void {
    if (this.#gathering) return
    this.#gathering = true
    socket.cork()
    setImmediate(() => {
      this.#gathering = false
      socket.uncork()
    })
  }

  #opened(): Promise<Open> {
    if (this.#closed) throw new EscrowError('DATABASE_UNAVAILABLE', 'the database was closed')
    return (this.#opening ??= this.#connect())
  }

  async #connect(): Promise<Open> {
    const socket = new Socket()
    const client = new Client({
      connectionString: this.url,
      pipeline: true,
      stream: () => socket,
      connectionTimeoutMillis: databaseConnectTimeoutMs,
      statement_timeout: databaseReadTimeoutMs,
      // Of a connection that has fallen silent: it is given up, with whatever was asked on it.
      query_timeout: databaseStatementTimeoutMs,
      options: '-c default_transaction_read_only=on',
    })
    this.#client = client
    // What was asked on it fails by itself; whoever asks next gets another.
    client.on('error', () => this.#forget(client)).on('end', () => this.#forget(client))
    try {
      await client.connect()
    } catch (error) {
      this.#forget(client)
      throw error
    }
    const open = { client, socket }
    if (this.#client === client) this.#open = open
    return open
  }

  /** A broken connection says so twice, and the next may be there before the second time. */
  #forget(client: Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#open = undefined
    this.#opening = undefined
  }
}
