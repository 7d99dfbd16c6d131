import { EscrowError, unreachable } from '../core/errors.js'
import type { Tx } from '../db/database.js'
import type { ShareAcceptanceRow } from '../escrow/archive/share.table.js'
import { listEpochs, settleEpochs } from '../escrow/archive/agreement.table.js'
import { epochsAtArming, writeVersion } from '../escrow/agreement/amended-rows.js'
import { agreementRow, partyRows, sourceRow } from '../escrow/agreement/register-agreement.js'
import { firstPeriod, rhythmOf, type Rhythm } from '../escrow/source/schedule.js'
import type { Agreement, VaultEpoch } from '../format/agreement.js'
import type { Event, EventOf } from '../format/event.js'
import type { Manifest } from '../format/manifest.js'
import type { SignedAgreement } from '../format/signed-agreement.js'
import type { OpenedDocument } from '../format/signed-document.js'
import { objectKeys } from '../store/object-key.js'
import type { ArchiveDocuments, ArchivedAgreement } from './archive-documents.js'
import {
  armRestoredAgreement,
  endRestoredAgreement,
  moveRestoredEpoch,
  moveRestoredSources,
  restoreAcceptances,
  restoreAgreement,
  restoreEpoch,
  restoreFreshness,
  restoreObjects,
  restoreParties,
  restoreSources,
  type Change,
} from './rebuild.table.js'
import { objectOfBytes, type ReplayedObject } from './replayed-objects.js'
import { afterDeposit, afterEvent, untouched, type SourceProgress } from './source-history.js'

interface ReplayedSource {
  readonly agreementId: string
  readonly source: string
  readonly rhythm: Rhythm
  progress: SourceProgress
}

/** Agreements, their vaults and their sources, as events bring them up. */
export class ReplayAgreements {
  private readonly known = new Map<string, ArchivedAgreement>()
  private readonly armedIds = new Set<string>()
  private readonly sources = new Map<string, ReplayedSource>()

  constructor(private readonly documents: ArchiveDocuments) {}

  /** The version in force so far. @throws EscrowError `CHAIN_BROKEN` when nothing has registered the agreement */
  inForce(agreement: string): SignedAgreement {
    return this.archived(agreement).signed
  }

  /** The secret of an agreement's tags. @throws as `inForce` */
  tagSecret(agreement: string): Uint8Array {
    return Buffer.from(this.archived(agreement).annex.tagSecret, 'hex')
  }

  private archived(agreement: string): ArchivedAgreement {
    const archived = this.known.get(agreement)
    if (archived !== undefined) return archived
    throw new EscrowError('CHAIN_BROKEN', `the log speaks of ${agreement} before it was registered`)
  }

  /** A new agreement. */
  async registered(event: EventOf<'agreement-registered'>, signal?: AbortSignal): Promise<Change> {
    const archived = await this.archive(event, signal)
    const { body, digest } = archived.signed
    const brought = await this.brought(archived, signal)
    return async (tx) => {
      await restoreAgreement(tx, agreementRow(body, digest), versionRow(archived, new Date(event.at)))
      await brought(tx)
    }
  }

  /** Another version of an agreement; it keeps its state. */
  async amended(event: EventOf<'agreement-amended'>, signal?: AbortSignal): Promise<Change> {
    const archived = await this.archive(event, signal)
    const documents = await this.documentsOf(archived, signal)
    const { signed, annex } = archived
    const { previousDigest } = event
    const armed = this.armedIds.has(event.agreement)
    for (const { source, schedule } of signed.body.sources) this.addSource(event.agreement, source, rhythmOf(schedule))
    return async (tx) => {
      await writeVersion(tx, { signed, annex, previousDigest, credentialFiles: new Map(), armed, at: new Date(event.at) })
      await documents(tx)
    }
  }

  private async archive(
    event: EventOf<'agreement-registered'> | EventOf<'agreement-amended'>,
    signal?: AbortSignal,
  ): Promise<ArchivedAgreement> {
    const archived = await this.documents.agreement(event.agreement, event.version, event.digest, signal)
    this.known.set(event.agreement, archived)
    return archived
  }

  /** What a new agreement brings: its documents, parties, epochs, acceptances and sources. */
  private async brought(archived: ArchivedAgreement, signal?: AbortSignal): Promise<Change> {
    const { body } = archived.signed
    const agreementId = body.agreement
    const restored = await this.documentsOf(archived, signal)
    const rows = body.sources.map((source) => sourceRow(agreementId, source, archived.annex, null))
    for (const { source, schedule } of body.sources) this.addSource(agreementId, source, rhythmOf(schedule))
    return async (tx) => {
      await restoreParties(tx, partyRows(body))
      for (const epoch of body.vault.epochs)
        await restoreEpoch(tx, { ...epochKey(body, epoch), recipient: epoch.recipient, state: 'dealt' })
      await restoreSources(tx, rows)
      await restored(tx)
    }
  }

  /** The documents of a version with the acceptances of its shares. */
  private async documentsOf(archived: ArchivedAgreement, signal?: AbortSignal): Promise<Change> {
    const { body } = archived.signed
    const accepted = await this.acceptances(archived, signal)
    const documents = [
      objectOfBytes(archived.documents.agreement.key, archived.documents.agreement.bytes, { ...own(body), purpose: 'agreement' }),
      objectOfBytes(archived.documents.annex.key, archived.documents.annex.bytes, { ...own(body), purpose: 'annex' }),
    ]
    return async (tx) => {
      await restoreAcceptances(tx, accepted.rows)
      await restoreObjects(tx, [...documents, ...accepted.objects])
    }
  }

  private addSource(agreementId: string, source: string, rhythm: Rhythm): void {
    const key = `${agreementId}/${source}`
    const progress = this.sources.get(key)?.progress ?? untouched(firstPeriod(rhythm))
    this.sources.set(key, { agreementId, source, rhythm, progress })
  }

  /** Custodians count whose acceptances of every epoch are there. */
  private async acceptances(archived: ArchivedAgreement, signal?: AbortSignal) {
    const { body } = archived.signed
    const found = await this.documents.acceptances(archived.signed, signal)
    const rows: ShareAcceptanceRow[] = []
    for (const { index, party } of body.vault.custodians) {
      const own = found.filter((one) => one.body.index === index && one.body.party === party)
      const [current, ...later] = body.vault.epochs.map((epoch) =>
        own.find((one) => one.body.epoch === epoch.epoch && one.body.recipient === epoch.recipient),
      )
      if (current === undefined || later.includes(undefined)) continue
      const acceptedAt = new Date(current.body.issuedAt)
      rows.push({ agreementId: body.agreement, version: body.version, custodianIndex: index, statementDigest: current.digest, acceptedAt })
    }
    const objects: ReplayedObject[] = found.map((one) => objectOfBytes(one.key, one.bytes, { ...own(body), purpose: 'statement' }))
    return { rows, objects }
  }

  /** The vault takes deposits. */
  armed(event: EventOf<'vault-armed'>): Change {
    const { agreement: agreementId } = event
    this.armedIds.add(agreementId)
    return async (tx) => {
      await armRestoredAgreement(tx, agreementId, new Date(event.at))
      await settleEpochs(tx, agreementId, epochsAtArming(await listEpochs(tx, agreementId), event.epoch))
      await moveRestoredSources(tx, agreementId, 'waiting', 'active')
    }
  }

  /** An agreement ends, or its vault goes on to another epoch. */
  moved(event: EventOf<'agreement-ended'> | EventOf<'epoch-exposed'> | EventOf<'epoch-changed'>): Change {
    const { agreement: agreementId } = event
    switch (event.type) {
      case 'escrow/event/agreement-ended/v1':
        return async (tx) => {
          await endRestoredAgreement(tx, agreementId, new Date(event.at))
          await moveRestoredSources(tx, agreementId, null, 'ended')
        }
      case 'escrow/event/epoch-exposed/v1':
        return (tx) => moveRestoredEpoch(tx, { agreementId, epoch: event.epoch }, 'exposed')
      case 'escrow/event/epoch-changed/v1':
        return async (tx) => {
          await moveRestoredEpoch(tx, { agreementId, epoch: event.from }, 'burned')
          await moveRestoredEpoch(tx, { agreementId, epoch: event.to }, 'armed')
        }
      default:
        return unreachable(event)
    }
  }

  /** A deposit moves its source on. */
  deposited(event: EventOf<'deposit-stored'>, manifest: OpenedDocument<Manifest>): void {
    const source = this.source(event.agreement, event.source)
    source.progress = afterDeposit(source.progress, source.rhythm, manifest.body, manifest.digest)
  }

  /** Something else happened to a source. */
  sourceEvent(event: Extract<Event, { readonly source: string }>): void {
    const source = this.source(event.agreement, event.source)
    source.progress = afterEvent(source.progress, source.rhythm, event)
  }

  private source(agreement: string, name: string): ReplayedSource {
    const source = this.sources.get(`${agreement}/${name}`)
    if (source !== undefined) return source
    throw new EscrowError('CHAIN_BROKEN', `the log speaks of source ${name}, which ${agreement} does not have`)
  }

  /** Write what all events together say of the sources. */
  async writeSources(tx: Tx): Promise<void> {
    for (const { agreementId, source, progress } of this.sources.values()) await restoreFreshness(tx, { agreementId, source }, progress)
  }
}

const own = (body: Agreement) => ({ agreementId: body.agreement, depositId: null })
const epochKey = (body: Agreement, { epoch }: VaultEpoch) => ({ agreementId: body.agreement, epoch })

function versionRow({ signed }: ArchivedAgreement, createdAt: Date) {
  const { agreement: agreementId, version } = signed.body
  const documentKey = objectKeys.agreement(agreementId, version)
  return { agreementId, version, digest: signed.digest, documentKey, annexKey: objectKeys.annex(agreementId, version), createdAt }
}
