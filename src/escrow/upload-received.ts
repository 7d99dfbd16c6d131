import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { translateFull, withScratch } from '../deposit/scratch.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { GrowingFile } from '../store/growing-file.js'
import { objectKeys } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'
import { AdoptAttachment } from './adopt-attachment.js'
import { AttachmentKeeper } from './attachment-keeper.js'
import { EscrowOptions } from './escrow-options.js'
import type { Offer } from './read-offer.js'

/** Bytes of the envelope that have been read, and how many there are. */
export type ReportReceived = (bytes: number, total: number) => void

/** Brings a sealed deposit to the replicas: its attachments, then its envelope. */
@Injectable()
export class UploadReceived {
  constructor(
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
    @Inject(AdoptAttachment) private readonly adopt: AdoptAttachment,
    @Inject(AttachmentKeeper) private readonly keeper: AttachmentKeeper,
  ) {}

  /**
   * Through scratch: the bytes that are verified must be the bytes that are sent, whatever happens to the folder meanwhile.
   *
   * @param what.outbox - attacker-controlled.
   * @returns where it is stored now, at least at one replica.
   * @throws EscrowError `OBJECT_*` for bytes that are not those signed; `STORE_*` when no replica took it; `SCRATCH_FULL`; `NOT_FOUND` for an
   *   attachment that neither came with it nor was sent before; as `AdoptAttachment.run`
   */
  async run(
    what: { readonly offer: Offer; readonly outbox: ArchiveReader; readonly retainUntil: Date; readonly onBytes?: ReportReceived },
    signal: AbortSignal,
  ): Promise<Placement> {
    const { offer, outbox, retainUntil, onBytes } = what
    const { envelope } = offer.manifest
    await this.bringAttachments(what, signal)
    return withScratch(this.options.scratch.root, async (folder) => {
      const path = join(folder, 'received.age')
      const file = await translateFull(open(path, 'wx', 0o600))
      try {
        let bytes = 0
        for await (const block of outbox.open(offer.envelopeKey, envelope, signal)) {
          await translateFull(file.writeFile(block))
          bytes += block.length
          onBytes?.(bytes, envelope.sizeBytes)
        }
      } finally {
        await file.close()
      }
      const growing = { file: GrowingFile.finished(path, envelope.sizeBytes), commit: Promise.resolve(envelope) }
      const placement = await this.replicas.uploadGrowingFile(offer.envelopeKey, growing, { retainUntil }, signal)
      if (placement.stored.length === 0) requireEvery(placement)
      return placement
    })
  }

  /** Those that the store holds already are locked as long as this deposit. */
  private async bringAttachments(
    { offer, outbox, retainUntil }: { readonly offer: Offer; readonly outbox: ArchiveReader; readonly retainUntil: Date },
    signal: AbortSignal,
  ): Promise<void> {
    const { place, attempt: attemptId, manifest } = offer
    const { agreement: agreementId, source } = place
    for (const { sha256, sizeBytes } of manifest.attachments) {
      signal.throwIfAborted()
      const key = objectKeys.attachment(agreementId, source, sha256)
      const file = { key, sha256, agreementId, attemptId, open: () => outbox.open(key, { sha256, sizeBytes }, signal) }
      const adopted = await this.adopt.run(file, retainUntil, signal).catch((error: unknown) => {
        if (!isEscrowError(error, 'OBJECT_MISSING')) throw error
        throw new EscrowError('NOT_FOUND', `expected attachment ${sha256} with the deposit, or sent before it`, { cause: error })
      })
      if (adopted.sealed.sizeBytes !== sizeBytes) {
        throw new EscrowError('FORMAT_INVALID', `expected attachment ${sha256} of ${adopted.sealed.sizeBytes} bytes, got ${sizeBytes}`)
      }
      await this.keeper.note({ key: { agreementId, source }, vault: manifest.envelope }, adopted, null)
    }
  }
}
