import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { translateFull, withScratch } from '../deposit/scratch.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { GrowingFile } from '../store/growing-file.js'
import { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'
import { EscrowOptions } from './escrow-options.js'
import type { Offer } from './read-offer.js'

/** Bytes of the envelope that have been read, and how many there are. */
export type ReportReceived = (bytes: number, total: number) => void

/** Brings the envelope of a sealed deposit to the replicas. */
@Injectable()
export class UploadReceived {
  constructor(
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
  ) {}

  /**
   * Through scratch: the bytes that are verified must be the bytes that are sent, whatever happens to the folder meanwhile.
   *
   * @param what.outbox - attacker-controlled.
   * @returns where it is stored now, at least at one replica.
   * @throws EscrowError `OBJECT_*` for bytes that are not those signed; `STORE_*` when no replica took it; `SCRATCH_FULL`
   */
  async run(
    what: { readonly offer: Offer; readonly outbox: ArchiveReader; readonly retainUntil: Date; readonly onBytes?: ReportReceived },
    signal: AbortSignal,
  ): Promise<Placement> {
    const { offer, outbox, retainUntil, onBytes } = what
    const { envelope } = offer.manifest
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
}
