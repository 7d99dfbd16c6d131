import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import { recordShareHealth } from '../../escrow/archive/share.table.js'
import { ReadDocument } from '../../escrow/archive/read-document.js'
import type { Event, EventOf } from '../../format/event.js'
import type { StatementOf } from '../../format/statement.js'
import { listLeaves } from '../../log/log.table.js'
import { parseObjectKey, type ObjectKey } from '../../store/object-key.js'
import { insertAlarm, saveSilence } from '../custody/custody.table.js'
import { closeDrill, insertDrill } from '../drill/drill.table.js'
import { insertGrant } from '../grant/grant.table.js'
import { listSealedRecords, saveLegalOrder } from '../legal/legal-order.table.js'
import { OrderShelf } from '../order/order-shelf.js'
import { insertHeldShare, insertOrder, insertRequest, insertStatement } from '../release.table.js'
import { ReplayCustody, type ReplayedCustody } from './replay-custody.js'
import { ReplayLegalOrders, type LegalPaper, type ReplayedLegalOrders } from './replay-legal-orders.js'
import { ReplayReleases, type ReplayedReleases } from './replay-releases.js'
import { SealedRecords } from '../legal/sealed-records.js'
import { peekStatement, verifyStatement } from '../rules/statement-verifier.js'

/** How many rows of each kind were brought back. */
export type RebuiltReleases = Readonly<Record<keyof ReplayedReleases | keyof ReplayedCustody | 'legalOrders', number>>

type LegalEvent = EventOf<'statement-recorded'> | EventOf<'record-sealed'>

/** A statement that was sealed to the agent, opened. */
interface SealedRecord {
  readonly key: ObjectKey
  readonly bytes: Uint8Array
}

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
    'alarm-raised',
    'alarm-cleared',
    'silence-advanced',
    'drill-started',
    'drill-reported',
    'record-sealed',
    'legal-order-advanced',
  ].map((name) => `escrow/event/${name}/v1`),
)

/**
 * Brings back requests, orders, statements and grants, alarms, the dead man's switch, drills, proofs of shares and orders against the agent, into an
 * index whose agreements, objects and log entries are back already.
 */
@Injectable()
export class RebuildReleases {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
    @Inject(SealedRecords) private readonly sealed: SealedRecords,
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
    const custody = new ReplayCustody()
    const legal = new ReplayLegalOrders()
    const records = new Map<string, SealedRecord>()
    for (const event of events) {
      await replay.apply(event)
      await custody.apply(event, (proof) => this.proof(proof, signal))
      await legal.apply(event, (told) => this.paper(told, records, signal))
    }
    const found = { ...replay.result(), ...custody.result(), ...legal.result() }
    await this.database.transaction((tx) => write(tx, found))
    const { requests, orders, statements, shares, grants, alarms, silences, drills, shareProofs, legalOrders } = found
    return {
      requests: requests.length,
      orders: orders.length,
      statements: statements.length + found.legalStatements.length,
      shares: shares.length,
      grants: grants.length,
      alarms: alarms.length,
      silences: silences.length,
      drills: drills.length,
      shareProofs: shareProofs.length,
      legalOrders: legalOrders.length,
    }
  }

  /** @param records - what lies sealed in the agreements met so far; added to here. */
  private async paper(event: LegalEvent, records: Map<string, SealedRecord>, signal?: AbortSignal): Promise<LegalPaper> {
    const digest = event.type === 'escrow/event/record-sealed/v1' ? event.record : event.statement
    const { key, bytes } =
      event.type === 'escrow/event/statement-recorded/v1'
        ? { key: parseObjectKey(event.key), bytes: await this.documents.bytes(event.key, signal) }
        : await this.record(event, records, signal)
    const known = await this.agreements.version(peekStatement(bytes).statement.agreement)
    const verified = verifyStatement(bytes, known.signed)
    if (verified.digest !== digest) throw new EscrowError('DIGEST_MISMATCH', `${key}: expected ${digest}, got ${verified.digest}`)
    return { verified, known, key }
  }

  private async record(event: EventOf<'record-sealed'>, records: Map<string, SealedRecord>, signal?: AbortSignal): Promise<SealedRecord> {
    if (!records.has(event.record)) {
      for (const key of await this.database.query((db) => listSealedRecords(db, event.agreement))) {
        const bytes = this.sealed.open(await this.documents.bytes(key, signal))
        records.set(peekStatement(bytes).digest, { key: parseObjectKey(key), bytes })
      }
    }
    const found = records.get(event.record)
    if (found === undefined) throw new EscrowError('OBJECT_MISSING', `expected the sealed statement ${event.record.slice(0, 16)}`)
    return found
  }

  private async proof({ key, statement }: EventOf<'statement-recorded'>, signal?: AbortSignal): Promise<StatementOf<'share-health'>> {
    const bytes = await this.documents.bytes(key, signal)
    const { signed } = await this.agreements.version(peekStatement(bytes).statement.agreement)
    const verified = verifyStatement(bytes, signed)
    if (verified.digest !== statement) throw new EscrowError('DIGEST_MISMATCH', `${key}: expected ${statement}, got ${verified.digest}`)
    if (verified.statement.type !== 'escrow/statement/share-health/v1')
      throw new EscrowError('CHAIN_BROKEN', `${key}: expected a proof of a share`)
    return verified.statement
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

async function write(tx: Tx, found: ReplayedReleases & ReplayedCustody & ReplayedLegalOrders): Promise<void> {
  for (const row of found.requests) await insertRequest(tx, row)
  for (const row of found.orders) await insertOrder(tx, row)
  for (const row of [...found.statements, ...found.legalStatements]) await insertStatement(tx, row)
  for (const row of found.legalOrders) await saveLegalOrder(tx, null, row)
  for (const row of found.shares) await insertHeldShare(tx, row)
  for (const row of found.grants) await insertGrant(tx, row)
  for (const row of found.alarms) await insertAlarm(tx, row)
  for (const row of found.silences) await saveSilence(tx, null, row)
  for (const row of found.shareProofs) await recordShareHealth(tx, row)
  for (const { outcome, report, closedAt, ...row } of found.drills) {
    await insertDrill(tx, row)
    if (closedAt !== null) await closeDrill(tx, row.drillDigest, { outcome, report, closedAt })
  }
}

function counts({ key, statementType }: EventOf<'statement-recorded'>): boolean {
  return /^[^/]+\/[^/]+\/(?:releases|orders)\//.test(key) || statementType === 'escrow/statement/availability/v1'
}
