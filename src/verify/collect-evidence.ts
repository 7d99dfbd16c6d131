import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../escrow/archive/agreement-shelf.js'
import { listPublishedObjects, type Purpose } from '../escrow/archive/object.table.js'
import { expectedOfRow } from '../escrow/archive/read-document.js'
import { rhythmOf } from '../escrow/source/schedule.js'
import { evidenceNames, proofName } from '../evidence/evidence-files.js'
import { canonicalize } from '../format/canonical-json.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import { formatNote } from '../format/note.js'
import { formatProof } from '../format/proof.js'
import { LogReader } from '../log/log-reader.js'
import { listLeaves } from '../log/log.table.js'
import { readEvent } from '../log/read-event.js'
import { objectKeys, parseObjectKey } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import { AttestSource, type AttestationWish, type AttestedSource } from './attest-source.js'
import type { EvidenceFolder } from './evidence-folder.js'

/** What is to be collected, and where to; `SealEvidence` finishes the folder. */
export interface EvidenceOrder {
  readonly agreementId: string
  readonly folder: EvidenceFolder
  /** Due times until now are accounted for. */
  readonly collectedAt: Date
}

const documents: readonly Purpose[] = ['agreement', 'annex', 'statement', 'manifest', 'receipt']

/**
 * Puts all that proves an agreement into one folder, in the layout of the store: documents, events with proofs, the log's checkpoint and
 * leaves, and an account of every due time. No envelope: nothing in it is secret to the agreement's parties.
 */
@Injectable()
export class CollectEvidence {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(AttestSource) private readonly attest: AttestSource,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
  ) {}

  /**
   * Collect the evidence of one agreement. What was missed must be recorded and what is pending published.
   *
   * @throws EscrowError `NOT_FOUND` for an unknown agreement or before the log has a checkpoint; `OBJECT_*`, `STORE_*`, `PROOF_INVALID`
   */
  async run({ agreementId, folder, collectedAt }: EvidenceOrder, signal: AbortSignal): Promise<void> {
    const known = await this.shelf.get(agreementId)
    // Documents first: the checkpoint is then at least as new as that of any receipt among them.
    await this.documents(agreementId, folder, signal)
    const checkpoint = await this.log.checkpoint('newest')
    if (checkpoint === null) throw new EscrowError('NOT_FOUND', 'the log has no checkpoint yet')
    await this.events(agreementId, { checkpoint, folder }, signal)
    await folder.write(evidenceNames.checkpoint, formatNote(checkpoint.note))
    await folder.stream(evidenceNames.leaves, this.attest.leafList(checkpoint, signal))
    for (const { source } of known.signed.body.sources) await this.account(known, source, { checkpoint, collectedAt, folder }, signal)
  }

  private async documents(agreementId: string, folder: EvidenceFolder, signal: AbortSignal): Promise<void> {
    for (let after = 0; ;) {
      const page = await this.database.query((db) => listPublishedObjects(db, { agreementId, after }, rowsMax))
      for (const object of page.filter((row) => documents.includes(row.purpose))) {
        signal.throwIfAborted()
        const key = parseObjectKey(object.key)
        await folder.write(key, await this.replicas.readVerified(key, expectedOfRow(object), {}, signal))
      }
      const last = page.at(-1)
      if (last === undefined) return
      after = last.objectId
    }
  }

  private async events(
    agreementId: string,
    { checkpoint, folder }: { readonly checkpoint: OpenedCheckpoint; readonly folder: EvidenceFolder },
    signal: AbortSignal,
  ): Promise<void> {
    for (let from = 0; from < checkpoint.size; from += rowsMax) {
      const leaves = await this.database.query((db) => listLeaves(db, from, Math.min(from + rowsMax, checkpoint.size)))
      for (const { leafHash, tag } of leaves.filter((row) => row.agreementId === agreementId)) {
        signal.throwIfAborted()
        const record = await readEvent(this.replicas.replicas, { leafHash, tag }, signal)
        await folder.write(objectKeys.event(leafHash), canonicalize(record))
        const proven = await this.log.proveLeaf(leafHash, checkpoint, signal)
        if (proven !== null) await folder.write(proofName(leafHash), Buffer.from(formatProof(proven.proof)))
      }
    }
  }

  /** From the first due time to now, in as many attestations as it takes. */
  private async account(known: KnownAgreement, source: string, of: Accounting, signal: AbortSignal): Promise<void> {
    const schedule = known.signed.body.sources.find((one) => one.source === source)?.schedule
    if (schedule === undefined || rhythmOf(schedule).startsAt >= of.collectedAt) return
    const whole = { agreementId: known.row.agreementId, source, from: rhythmOf(schedule).startsAt, to: of.collectedAt }
    let number = 1
    for await (const { bytes } of this.inParts({ ...whole, checkpoint: of.checkpoint }, signal)) {
      await of.folder.write(parseObjectKey(`attestations/${source}-${number}.json`), bytes)
      number += 1
    }
  }

  /** A period that is too long for one attestation is halved until each part fits. */
  private async *inParts(wish: AttestationWish, signal: AbortSignal): AsyncGenerator<AttestedSource> {
    try {
      yield await this.attest.run(wish, signal)
    } catch (error) {
      const middle = new Date(Math.floor((wish.from.getTime() + wish.to.getTime()) / 2))
      if (!isEscrowError(error, 'ARGUMENT_INVALID') || middle <= wish.from) throw error
      yield* this.inParts({ ...wish, to: middle }, signal)
      yield* this.inParts({ ...wish, from: middle }, signal)
    }
  }
}

interface Accounting {
  readonly checkpoint: OpenedCheckpoint
  readonly collectedAt: Date
  readonly folder: EvidenceFolder
}
