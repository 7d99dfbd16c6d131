import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import type { StreamDigest } from '../../crypto/digest.js'
import { withScratch } from '../../deposit/scratch.js'
import { Agent } from '../agent.js'
import { AttachmentKeeper } from '../basis/attachment-keeper.js'
import type { LfsAnswer, LfsBatch } from './lfs.views.js'
import type { SourceKey } from '../archive/lease.table.js'
import { StageAttachment } from './stage-attachment.js'

/** Takes the objects that git-lfs sends before `git push`: sealed at once, for the deposit whose pointers name them. */
@Injectable()
export class ReceiveLfs {
  constructor(
    @Inject(StageAttachment) private readonly stage: StageAttachment,
    @Inject(AttachmentKeeper) private readonly keeper: AttachmentKeeper,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Say which objects are wanted: those that the archive does not hold.
   *
   * @param hrefOf - where an object is to be sent.
   * @throws EscrowError `PUSH_REFUSED` for a download; `NOT_FOUND`, `VAULT_NOT_ARMED`
   */
  async answer(key: SourceKey, batch: LfsBatch, hrefOf: (oid: string) => string, signal?: AbortSignal): Promise<readonly LfsAnswer[]> {
    if (batch.operation === 'download') throw noDownload()
    const place = await this.stage.place(key)
    const oids = batch.objects.map(({ oid }) => oid)
    const held = await this.keeper.find(place, oids, signal)
    return batch.objects.map(({ oid, size }): LfsAnswer => {
      const known = held.get(oid)
      if (known !== undefined && known.plain.sizeBytes !== size) {
        return { oid, size, error: { code: 422, message: `the object with this digest has ${known.plain.sizeBytes} bytes` } }
      }
      // Without an action git-lfs takes it for sent.
      return known === undefined ? { oid, size, actions: { upload: { href: hrefOf(oid) } } } : { oid, size }
    })
  }

  /**
   * Take one object. Idempotent: what the archive holds is not stored again.
   *
   * @throws EscrowError `DIGEST_MISMATCH`, `DEPOSIT_TOO_LARGE`, `SCRATCH_FULL`, `STORE_*`; `NOT_FOUND`, `VAULT_NOT_ARMED`
   */
  async receive(key: SourceKey, file: StreamDigest, bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const { packBytesMax, scratch } = this.agent.options
    if (file.sizeBytes > packBytesMax) {
      throw new EscrowError('DEPOSIT_TOO_LARGE', `expected an object of at most ${packBytesMax} bytes, got ${file.sizeBytes}`)
    }
    const place = await this.stage.place(key)
    if ((await this.keeper.find(place, [file.sha256], signal)).has(file.sha256)) return
    const retainUntil = this.keeper.waitUntil()
    await withScratch(scratch.root, (folder) =>
      this.keeper.keep(place, { bytes, expected: file }, { folder, retainUntil, entryOf: null }, signal),
    )
  }
}

function noDownload(): EscrowError {
  return new EscrowError('PUSH_REFUSED', 'this address takes LFS objects and gives nothing back: what is sealed opens with the vault')
}
