import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { AgreementShelf } from '../escrow/agreement-shelf.js'
import { ReadDocument } from '../escrow/read-document.js'
import type { Event, EventOf } from '../format/event.js'
import { listLeaves } from '../log/log.table.js'
import { insertGrant } from './grant.table.js'
import { OrderShelf } from './order-shelf.js'
import { insertHeldShare, insertOrder, insertRequest, insertStatement } from './release.table.js'
import { ReplayReleases, type ReplayedReleases } from './replay-releases.js'
import { peekStatement } from './statement-verifier.js'

/** How many rows of each kind were brought back. */
export type RebuiltReleases = Readonly<Record<keyof ReplayedReleases, number>>

/** Events that a replay of releases needs. */
const needed = new Set(
  [
    'agreement-registered',
    'agreement-amended',
    'statement-recorded',
    'request-advanced',
    'order-advanced',
    'grant-given',
    'grant-revoked',
    'return-due',
  ].map((name) => `escrow/event/${name}/v1`),
)

/** Brings back requests, orders, statements and grants into an index whose agreements, objects and log entries are back already. */
@Injectable()
export class RebuildReleases {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
  ) {}

  /**
   * Replay the log's events of releases. All rows are written in one transaction.
   *
   * @throws EscrowError `CHAIN_BROKEN` when the log and the documents contradict each other; `OBJECT_*`, `STORE_*`; `SIGNATURE_INVALID`,
   *   `STATEMENT_*` when a document does not hold
   */
  async run(signal?: AbortSignal): Promise<RebuiltReleases> {
    const events = await this.events(signal)
    const documents = await this.statements(events, signal)
    const replay = new ReplayReleases({
      documents,
      version: (digest) => this.agreements.version(digest),
      orderFrame: (known) => this.orders.frameOf(known),
    })
    for (const event of events) await replay.apply(event)
    const found = replay.result()
    await this.database.transaction(async (tx) => {
      for (const row of found.requests) await insertRequest(tx, row)
      for (const row of found.orders) await insertOrder(tx, row)
      for (const row of found.statements) await insertStatement(tx, row)
      for (const row of found.shares) await insertHeldShare(tx, row)
      for (const row of found.grants) await insertGrant(tx, row)
    })
    const { requests, orders, statements, shares, grants } = found
    return {
      requests: requests.length,
      orders: orders.length,
      statements: statements.length,
      shares: shares.length,
      grants: grants.length,
    }
  }

  private async events(signal?: AbortSignal): Promise<readonly Event[]> {
    const events: Event[] = []
    for (let from = 0; ; from += rowsMax) {
      signal?.throwIfAborted()
      const rows = await this.database.query((db) => listLeaves(db, from, from + rowsMax))
      for (const row of rows) if (needed.has(row.eventType)) events.push((await this.documents.event(row, signal)).event)
      if (rows.length < rowsMax) return events
    }
  }

  /** The statements themselves, as far as they count for a request, an order or an agreement. */
  private async statements(events: readonly Event[], signal?: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    for (const event of events) {
      if (event.type !== 'escrow/event/statement-recorded/v1' || !counts(event)) continue
      const bytes = await this.documents.bytes(event.key, signal)
      const { digest } = peekStatement(bytes)
      if (digest !== event.statement) throw new EscrowError('DIGEST_MISMATCH', `${event.key}: expected ${event.statement}, got ${digest}`)
      found.set(digest, bytes)
    }
    return found
  }
}

function counts({ key, statementType }: EventOf<'statement-recorded'>): boolean {
  return /^[^/]+\/[^/]+\/(?:releases|orders)\//.test(key) || statementType === 'escrow/statement/availability/v1'
}
