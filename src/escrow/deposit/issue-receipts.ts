import { Inject, Injectable } from '@nestjs/common'
import { Database } from '../../db/database.js'
import { logTag } from '../../format/log-entry.js'
import { AgreementId } from '../../format/ids.js'
import { parseBody } from '../../format/parse-body.js'
import { formatProof } from '../../format/proof.js'
import { checkReceipt, Receipt } from '../../format/receipt.js'
import { digestOf, signDocument } from '../../format/signed-document.js'
import { LogReader, type LeafProof } from '../../log/log-reader.js'
import { objectKeys } from '../../store/object-key.js'
import { Agent } from '../agent.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { listUnreceipted, recordReceipt, type DepositRow } from '../archive/deposit.table.js'
import { placeOf } from '../archive/deposit-place.js'
import { Documents } from '../archive/documents.js'
import { findObject } from '../archive/object.table.js'

const pageSize = 100

/** Signs for deposits that have reached the log: the agent's word with the proof that goes with it. */
@Injectable()
export class IssueReceipts {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(Documents) private readonly documents: Documents,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Issue every receipt that can be issued now.
   *
   * @returns how many. A deposit whose leaf is pending waits for the next run.
   * @throws EscrowError `STORE_*`, `PROOF_INVALID`: the receipts issued before are good
   */
  async run(signal?: AbortSignal): Promise<number> {
    let issued = 0
    for (let after: Date | null = null; ;) {
      const page: readonly DepositRow[] = await this.database.query((db) => listUnreceipted(db, after, pageSize))
      for (const row of page) {
        signal?.throwIfAborted()
        if (await this.issueFor(row, signal)) issued += 1
      }
      const last = page.at(-1)
      if (last === undefined) return issued
      after = last.takenAt
    }
  }

  /**
   * A receipt under a checkpoint that the witness quorum has cosigned is final. Until there is one, a degraded receipt says at least what
   * the log says; it is replaced as soon as the witnesses are back.
   */
  private async issueFor(row: DepositRow, signal?: AbortSignal): Promise<boolean> {
    // Where no witness is demanded, no receipt waits for one.
    const target = this.agent.options.witnessQuorum === 0 ? 'newest' : 'witnessed'
    const witnessed = await this.log.proveLeaf(row.leafHash, target, signal)
    if (witnessed !== null) {
      const digest = await this.issue(row, witnessed, signal)
      await this.database.transaction((tx) => recordReceipt(tx, row.depositId, digest))
      return true
    }
    const key = objectKeys.receipt(placeOf(row))
    if ((await this.database.query((db) => findObject(db, key))) !== null) return false
    const newest = await this.log.proveLeaf(row.leafHash, 'newest', signal)
    if (newest === null) return false
    await this.issue(row, newest, signal)
    return true
  }

  /** @returns the digest of the receipt. */
  private async issue(row: DepositRow, proven: LeafProof, signal?: AbortSignal): Promise<string> {
    const known = await this.shelf.get(row.agreementId)
    const { body: manifest, digest } = await this.documents.read.manifest(known, { row, object: null }, signal)
    const receipt = await this.compose(known, { row, proven, envelope: manifest.envelope.sha256 }, signal)
    checkReceipt(receipt, manifest, digest)
    const bytes = signDocument({ body: receipt, schema: Receipt, key: this.agent.keys.signingKey })
    const place = placeOf(row)
    const kept = { agreementId: place.agreement, attemptId: null, retainUntil: new Date(receipt.log.event.retainUntil) }
    await this.documents.store.replace({ key: objectKeys.receipt(place), bytes, purpose: 'receipt', ...kept }, signal)
    return digestOf(receipt)
  }

  private async compose(
    known: KnownAgreement,
    deposit: { readonly row: DepositRow; readonly proven: LeafProof; readonly envelope: string },
    signal?: AbortSignal,
  ): Promise<Receipt> {
    const { row, proven } = deposit
    const tag = Buffer.from(logTag(Buffer.from(known.annex.tagSecret, 'hex'), row.source)).toString('hex')
    const { salt, event } = await this.documents.read.event({ leafHash: row.leafHash, tag }, signal)
    return parseBody(
      {
        type: 'escrow/receipt/v1',
        origin: this.agent.options.origin,
        agreementId: AgreementId.parse(row.agreementId),
        agreement: row.agreementDigest,
        source: row.source,
        sequence: row.sequence,
        manifest: row.manifestDigest,
        envelope: deposit.envelope,
        issuedAt: this.agent.clock.now().toISOString(),
        log: {
          origin: this.agent.options.logOrigin,
          index: proven.proof.index,
          leafHash: row.leafHash,
          tag,
          salt,
          event,
          proof: formatProof(proven.proof),
          cosignatures: proven.checkpoint.cosignatures.length,
        },
      },
      Receipt,
      'receipt',
    )
  }
}
