import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { canonicalize } from '../../format/canonical-json.js'
import { logTag } from '../../format/log-entry.js'
import type { ProvenEvent } from '../../format/logged-event.js'
import { evidenceOf } from '../../format/statement.js'
import { formatProof } from '../../format/proof.js'
import { LogReader } from '../../log/log-reader.js'
import { listChain } from '../../log/log.table.js'
import { readEvent } from '../../log/read-event.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { OrderShelf } from '../order/order-shelf.js'
import { tagSecretOf } from '../record-turn.js'
import { ReleaseDesk } from '../request/release-desk.js'
import { peekStatement } from '../rules/statement-verifier.js'
import { listHeldShares, type HeldShareRow, type OrderRow } from '../release.table.js'

/** A file of a case, by its path in the case's folder. */
export interface CaseFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Gives parties everything about a case that they need to verify it themselves (docs/formats/release-case.md). Nothing in it is secret to a party. */
@Injectable()
export class ExportCase {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseDesk) private readonly desk: ReleaseDesk,
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
  ) {}

  /**
   * The files of one request's case.
   *
   * @returns agreement, request, order, statements, the proven events of the request's chain and, once released, the sealed shares.
   * @throws EscrowError `NOT_FOUND`; `WITNESS_POLICY` while an event is not under a checkpoint that enough witnesses cosigned
   */
  async run(requestId: string, signal?: AbortSignal): Promise<readonly CaseFile[]> {
    const { row, known } = await this.desk.requests.get(requestId, signal)
    const about = await this.desk.files.about(requestId, row.agreementId, signal)
    const orders = row.orderDigest === null ? [] : await this.desk.files.about(row.orderDigest, row.agreementId, signal)
    const shares = await this.database.query((db) => listHeldShares(db, requestId))
    const passedOn = shares.filter((share: HeldShareRow) => share.releasedAt !== null)
    const statements = [...about].filter(([digest]) => digest !== row.requestDigest)
    return [
      { path: 'agreement.json', bytes: known.signed.bytes },
      { path: 'request.json', bytes: requireBytes(about.get(row.requestDigest)) },
      ...[...orders].map(([digest, bytes]) => ({ path: `orders/${digest}.json`, bytes })),
      ...statements.map(([digest, bytes]) => ({ path: `statements/${digest}.json`, bytes })),
      ...(await this.evidence(row.agreementId, [...orders.values(), ...about.values()], signal)),
      ...passedOn.map(({ digest, document }) => ({ path: `shares/${digest}.json`, bytes: document })),
      ...(await this.proven(known, requestId, signal)),
    ]
  }

  /** The files of an order in one agreement, for who must contest it or rule. */
  async ofOrder(row: OrderRow, signal?: AbortSignal): Promise<readonly CaseFile[]> {
    const { known, documents } = await this.orders.get(row.orderDigest, row.agreementId, signal)
    return [
      { path: 'agreement.json', bytes: known.signed.bytes },
      { path: 'order.json', bytes: requireBytes(documents.get(row.orderDigest)) },
      ...[...documents].map(([digest, bytes]) => ({ path: `statements/${digest}.json`, bytes })),
      ...(await this.evidence(row.agreementId, [...documents.values()], signal)),
    ]
  }

  /** The documents that statements name, as far as they were handed in. */
  private async evidence(agreementId: string, statements: readonly Uint8Array[], signal?: AbortSignal): Promise<readonly CaseFile[]> {
    const named = statements.flatMap((bytes) => evidenceOf(peekStatement(bytes).statement)).map(({ sha256 }) => sha256)
    const kept = await this.desk.files.evidence(agreementId, named, signal)
    return [...kept].map(([sha256, bytes]) => ({ path: `evidence/${sha256}`, bytes }))
  }

  private async proven(known: KnownAgreement, subject: string, signal?: AbortSignal): Promise<readonly CaseFile[]> {
    const tag = Buffer.from(logTag(tagSecretOf(known), subject)).toString('hex')
    const entries = await this.database.query((db) => listChain(db, tag, 0, rowsMax))
    const files: CaseFile[] = []
    for (const { leafHash, tagNumber } of entries) {
      const leaf = await this.log.proveLeaf(leafHash, known.signed.body.log.witnessQuorum === 0 ? 'newest' : 'witnessed', signal)
      if (leaf === null) throw new EscrowError('WITNESS_POLICY', `expected event ${tagNumber} of ${subject} under a cosigned checkpoint`)
      const { salt, event } = await readEvent(this.replicas.replicas, { leafHash, tag }, signal)
      const proven: ProvenEvent = { type: 'escrow/proven-event/v1', tag, salt, event, proof: formatProof(leaf.proof) }
      files.push({ path: `log/${String(tagNumber).padStart(6, '0')}.json`, bytes: canonicalize(proven) })
    }
    return files
  }
}

function requireBytes(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new EscrowError('OBJECT_MISSING', 'expected the document that began the case')
  return bytes
}
