import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { attachedFiles } from '../../deposit/carry-attached.js'
import type { DepositRequest, PreviousDeposit } from '../../deposit/deposit-request.js'
import type { AttachmentArchive } from '../../deposit/keep-attachment.js'
import type { Inventory } from '../../format/manifest.js'
import type { VaultEpochRow } from '../archive/agreement.table.js'
import { AttachmentKeeper } from './attachment-keeper.js'
import { ReadPreviousDeposit } from './previous-deposit.js'
import { siblingSources } from './sibling-sources.js'
import type { SourceAtWork } from './source-at-work.js'

/** What the next deposit of a source rests on. */
export interface DepositBasis {
  readonly epoch: VaultEpochRow
  readonly previous: PreviousDeposit | null
  /** The part of the request that tells of it. */
  readonly beside: Required<Pick<DepositRequest, 'attached' | 'attachmentsWait' | 'siblings'>>
  readonly attachments: AttachmentArchive
}

/** Finds what the next deposit of a source is sealed to, compared with, and what else belongs to it. */
@Injectable()
export class SourceBasis {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReadPreviousDeposit) private readonly previous: ReadPreviousDeposit,
    @Inject(AttachmentKeeper) private readonly attachments: AttachmentKeeper,
  ) {}

  /** @throws EscrowError `VAULT_NOT_ARMED`; `OBJECT_*`, `STORE_*` when the deposit before cannot be read */
  async run({ known, key, found }: SourceAtWork, signal?: AbortSignal): Promise<DepositBasis> {
    const { epoch } = found
    if (epoch === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${key.agreementId} has no armed epoch`)
    const previous = await this.previous.ofFound(known, found, signal)
    const waiting = found.attachmentsWait ? await this.attachments.waiting({ key, vault: epoch }) : []
    const siblings = siblingSources({ database: this.database, deposits: this.previous }, key.agreementId, signal)
    const attached = (inventory: Inventory | null) =>
      attachedFiles(previous === null ? null : { manifest: previous.manifest, inventory }, epoch, waiting)
    const beside = { attached, attachmentsWait: waiting.length > 0, siblings }
    return { epoch, previous, beside, attachments: this.attachments.archive({ known, key, vault: epoch }) }
  }
}
