import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { translateFull, withScratch } from '../../deposit/scratch.js'
import type { Manifest } from '../../format/manifest.js'
import type { ArchiveReader } from '../../store/archive-reader.js'
import type { ExpectedObject } from '../../store/expected-object.js'
import { GrowingFile } from '../../store/growing-file.js'
import { objectKeys, type ObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { requireEvery, type Placement } from '../../store/replica.js'
import { AdoptAttachment } from '../attachment/adopt-attachment.js'
import { AttachmentKeeper } from '../basis/attachment-keeper.js'
import { EscrowOptions } from '../escrow-options.js'
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
        // Replicas follow what has been verified; nothing becomes visible before the last byte has.
        const growing = new GrowingFile(path)
        const verified = this.verify({ outbox, key: offer.envelopeKey, envelope, onBytes }, { file, growing }, signal)
        const sending = this.replicas.uploadGrowingFile(offer.envelopeKey, { file: growing, commit: verified }, { retainUntil }, signal)
        // Should both fail, what is wrong with the bytes is the reason for the rest.
        const [, placed] = await Promise.allSettled([verified, sending])
        await verified
        const placement = placed.status === 'fulfilled' ? placed.value : await sending
        if (placement.stored.length === 0) requireEvery(placement)
        return placement
      } finally {
        await file.close()
      }
    })
  }

  private async verify(
    from: {
      readonly outbox: ArchiveReader
      readonly key: ObjectKey
      readonly envelope: Manifest['envelope']
      readonly onBytes: ReportReceived | undefined
    },
    to: { readonly file: FileHandle; readonly growing: GrowingFile },
    signal: AbortSignal,
  ): Promise<ExpectedObject> {
    const { envelope, onBytes } = from
    let bytes = 0
    for await (const block of from.outbox.open(from.key, envelope, signal)) {
      await translateFull(to.file.writeFile(block))
      bytes += block.length
      to.growing.advance(bytes)
      onBytes?.(bytes, envelope.sizeBytes)
    }
    to.growing.finish(bytes)
    return envelope
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
