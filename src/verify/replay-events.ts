import { EscrowError, isEscrowError, unreachable } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import { parseSignedDocument } from '../crypto/dsse.js'
import type { Tx } from '../db/database.js'
import { nameAttachments } from '../escrow/basis/attachment.table.js'
import { depositRow } from '../escrow/deposit/publish-deposit.js'
import { openCheckpoint, type CheckpointPolicy } from '../format/checkpoint.js'
import type { EventOf } from '../format/event.js'
import { parseCanonical } from '../format/canonical-json.js'
import { depositIdOf } from '../format/ids.js'
import { logTag } from '../format/log-entry.js'
import type { Manifest } from '../format/manifest.js'
import { parseBody } from '../format/parse-body.js'
import { parseProof } from '../format/proof.js'
import type { Receipt } from '../format/receipt.js'
import type { OpenedDocument } from '../format/signed-document.js'
import { evidenceOf, Statement } from '../format/statement.js'
import { objectKeys, parseObjectKey, type DepositPlace } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { ArchiveDocuments, Found } from './archive-documents.js'
import type { CopyEvent } from './copy-history.js'
import type { HistoryEntry } from './read-history.js'
import { readParts } from './read-parts.js'
import { explainRestored, restoreDeposit, restoreObjects, restoreReplica, type Change } from './rebuild.table.js'
import { ReplayAgreements } from './replay-agreements.js'
import { evidenceObject, objectOfBytes, objectsOfManifest, type NamedObject, type ReplayedObject } from './replayed-objects.js'

const nothing: Change = async () => undefined

/**
 * Repeats events on an empty index, one after the other. Documents are read before the transaction; what a deposit's event names, its
 * manifest proves.
 */
export class ReplayEvents {
  /** What events tell of copies, by replica and key: copies are placed when all events are known. */
  readonly copyEvents = new Map<string, CopyEvent[]>()
  readonly agreements: ReplayAgreements
  private readonly chains = new Map<string, { readonly number: number; readonly leafHash: string }>()
  private readonly kinds = new Map<string, DepositPlace['kind']>()
  private readonly replicasSeen = new Set<string>()
  /** Named by an earlier deposit, whose row they have: they are not read again. */
  private readonly attachmentsSeen = new Set<string>()

  constructor(
    private readonly documents: ArchiveDocuments,
    private readonly replicas: ReplicaSet,
    private readonly policy: CheckpointPolicy,
  ) {
    this.agreements = new ReplayAgreements(documents)
  }

  /**
   * What an entry changes.
   *
   * @throws EscrowError `CHAIN_BROKEN` when it is not the next of its chain, or its tag is not its subject's; `OBJECT_*`, `STORE_*` when a
   *   document behind it cannot be had
   */
  async prepare(entry: HistoryEntry, signal?: AbortSignal): Promise<Change> {
    const { event } = entry
    this.checkChain(entry)
    const change = await this.changeOf(entry, signal)
    const tag = Buffer.from(logTag(this.agreements.tagSecret(event.agreement), event.subject)).toString('hex')
    if (tag !== entry.tag) throw new EscrowError('CHAIN_BROKEN', `leaf ${entry.index} does not bear the tag of its subject`)
    return change
  }

  private checkChain({ index, tag, leafHash, event }: HistoryEntry): void {
    const end = this.chains.get(tag)
    const { number, previous } = event.chain
    if (number !== (end?.number ?? 0) + 1 || previous !== (end?.leafHash ?? null)) {
      throw new EscrowError('CHAIN_BROKEN', `leaf ${index} is event ${number} of its chain, expected event ${(end?.number ?? 0) + 1}`)
    }
    this.chains.set(tag, { number, leafHash })
  }

  private async changeOf(entry: HistoryEntry, signal?: AbortSignal): Promise<Change> {
    const { event } = entry
    switch (event.type) {
      case 'escrow/event/agreement-registered/v1':
        return this.agreements.registered(event, signal)
      case 'escrow/event/agreement-amended/v1':
        return this.agreements.amended(event, signal)
      case 'escrow/event/vault-armed/v1':
        return this.agreements.armed(event)
      case 'escrow/event/deposit-stored/v1':
        return this.deposit(event, entry.leafHash, signal)
      case 'escrow/event/deposit-unchanged/v1':
      case 'escrow/event/deposit-missed/v1':
        this.agreements.sourceEvent(event)
        return nothing
      case 'escrow/event/findings-explained/v1':
        return this.explained(event, signal)
      case 'escrow/event/fixity-mismatch-found/v1':
      case 'escrow/event/object-repaired/v1':
        return this.copyEvent(event)
      case 'escrow/event/replica-added/v1':
        return this.replicaAdded(event)
      case 'escrow/event/agreement-ended/v1':
      case 'escrow/event/epoch-exposed/v1':
      case 'escrow/event/epoch-changed/v1':
        return this.agreements.moved(event)
      case 'escrow/event/statement-recorded/v1':
        return this.statement(event, signal)
      case 'escrow/event/record-sealed/v1':
        return documentRow(await this.documents.sealedRecord(event.agreement, event.record, signal), event.agreement)
      case 'escrow/event/drill-started/v1': {
        const key = objectKeys.drillDocument(event.agreement, event.drill, event.drill)
        return documentRow(await this.documents.statement(key, event.drill, signal), event.agreement)
      }
      // Failures move no row; locks are read from the store; releases are replayed when everything else is back.
      case 'escrow/event/deposit-refused/v1':
      case 'escrow/event/deposit-failed/v1':
      case 'escrow/event/credential-refused/v1':
      case 'escrow/event/retention-extended/v1':
      case 'escrow/event/request-advanced/v1':
      case 'escrow/event/order-advanced/v1':
      case 'escrow/event/silence-advanced/v1':
      case 'escrow/event/legal-order-advanced/v1':
      case 'escrow/event/alarm-raised/v1':
      case 'escrow/event/drill-reported/v1':
      case 'escrow/event/alarm-cleared/v1':
      case 'escrow/event/notice-served/v1':
      case 'escrow/event/grant-given/v1':
      case 'escrow/event/grant-used/v1':
      case 'escrow/event/grant-refused/v1':
      case 'escrow/event/grant-revoked/v1':
      case 'escrow/event/return-due/v1':
        return nothing
      default:
        return unreachable(event)
    }
  }

  private copyEvent(event: EventOf<'fixity-mismatch-found'> | EventOf<'object-repaired'>): Change {
    const place = `${event.replica}/${event.key}`
    const { versionId } = event
    const at = new Date(event.at)
    const found: CopyEvent =
      event.type === 'escrow/event/object-repaired/v1'
        ? { kind: 'repaired', versionId, at }
        : { kind: 'found', versionId, outcome: event.outcome, foundDigest: event.foundDigest, at }
    this.copyEvents.set(place, [...(this.copyEvents.get(place) ?? []), found])
    return nothing
  }

  /** The first event of a replica says since when it is there; each agreement has one. */
  private replicaAdded({ replica, country, control, at }: EventOf<'replica-added'>): Change {
    if (this.replicasSeen.has(replica)) return nothing
    this.replicasSeen.add(replica)
    return (tx) => restoreReplica(tx, { replica, country, control, addedAt: new Date(at) })
  }

  private async deposit(event: EventOf<'deposit-stored'>, leafHash: string, signal?: AbortSignal): Promise<Change> {
    const place = { agreement: event.agreement, source: event.source, sequence: event.sequence, kind: event.kind }
    const signed = this.agreements.inForce(event.agreement)
    const manifest = await this.documents.manifest(parseObjectKey(event.manifestKey), event.manifest, signed, signal)
    const receipt = await this.documents.receipt(place, manifest, signal)
    const depositId = depositIdOf(manifest.digest)
    const owner = { agreementId: event.agreement, depositId }
    const objects = await this.objects(place, manifest, signal)
    objects.push(objectOfBytes(manifest.key, manifest.bytes, { purpose: 'manifest', ...owner }))
    if (receipt !== null) objects.push(objectOfBytes(receipt.key, receipt.bytes, { purpose: 'receipt', ...owner, depositId: null }))
    this.agreements.deposited(event, manifest)
    this.kinds.set(`${place.agreement}/${place.source}/${place.sequence}`, place.kind)
    const row = {
      ...depositRow({ manifest: manifest.body, manifestDigest: manifest.digest, leafHash }),
      agreementId: event.agreement,
      source: event.source,
      explainedAt: null,
      // A degraded receipt is not the last word: another one is issued when the witnesses are back.
      receiptDigest: receipt !== null && this.isWitnessed(receipt.body) ? receipt.digest : null,
    }
    const attachments = manifest.body.attachments.map((file) => objectKeys.attachment(place.agreement, place.source, file.sha256))
    for (const key of attachments) this.attachmentsSeen.add(key)
    return async (tx) => {
      await restoreDeposit(tx, row, manifest.body.findings)
      await restoreObjects(tx, objects)
      await nameAttachments(tx, depositId, attachments)
    }
  }

  private isWitnessed(receipt: Receipt): boolean {
    return openCheckpoint(parseProof(receipt.log.proof).checkpoint, this.policy).witnessed
  }

  private async objects(place: DepositPlace, { body, digest }: OpenedDocument<Manifest>, signal?: AbortSignal): Promise<ReplayedObject[]> {
    const named = objectsOfManifest(place, body, depositIdOf(digest)).filter(({ row }) => !this.attachmentsSeen.has(row.key))
    return Promise.all(named.map((one) => readParts(this.replicas, one, signal)))
  }

  private async explained(event: EventOf<'findings-explained'>, signal?: AbortSignal): Promise<Change> {
    const { agreement, source, sequence } = event
    const kind = this.kinds.get(`${agreement}/${source}/${sequence}`)
    if (kind === undefined)
      throw new EscrowError('CHAIN_BROKEN', `the log explains deposit ${sequence} of ${source}, which it does not have`)
    const key = objectKeys.explanation({ agreement, source, sequence, kind }, event.statement)
    const signed = this.agreements.inForce(event.agreement)
    const { body, bytes } = await this.documents.explanation(key, event.statement, signed, signal)
    const owner = { purpose: 'statement' as const, agreementId: event.agreement, depositId: null }
    const explanation = {
      depositId: depositIdOf(body.manifest),
      codes: body.codes,
      statementDigest: event.statement,
      at: new Date(event.at),
    }
    return async (tx) => {
      await restoreObjects(tx, [objectOfBytes(key, bytes, owner)])
      await explainRestored(tx, explanation)
    }
  }

  /** The document of a statement is an object like others; what it means for a release is replayed from it later. */
  private async statement({ key, statement, agreement }: EventOf<'statement-recorded'>, signal?: AbortSignal): Promise<Change> {
    const found = await this.documents.statement(parseObjectKey(key), statement, signal)
    const said = parseBody(parseCanonical(parseSignedDocument(found.bytes).payload, documentBytesMax), Statement, 'statement')
    const evidence = await Promise.all(evidenceOf(said).map((file) => this.evidence(evidenceObject(agreement, file), signal)))
    const objects = evidence.filter((row) => row !== null)
    return async (tx) => {
      await documentRow(found, agreement)(tx)
      await restoreObjects(tx, objects)
    }
  }

  /** Null when no replica has the document: nobody has handed it over. */
  private async evidence(named: NamedObject, signal?: AbortSignal): Promise<ReplayedObject | null> {
    try {
      return await readParts(this.replicas, named, signal)
    } catch (error) {
      if (isEscrowError(error, 'OBJECT_MISSING') || isEscrowError(error, 'OBJECT_CORRUPT')) return null
      throw error
    }
  }

  /** What the events of sources came to; to be written when all events are. */
  finish(tx: Tx): Promise<void> {
    return this.agreements.writeSources(tx)
  }
}

/** A signed document, in the open or sealed to the agent. */
function documentRow({ key, bytes }: Found<object>, agreementId: string): Change {
  const row = objectOfBytes(key, bytes, { purpose: 'statement', agreementId, depositId: null })
  return (tx) => restoreObjects(tx, [row])
}
