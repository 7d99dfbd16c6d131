import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import type { StreamDigest } from '../../crypto/digest.js'
import { Database } from '../../db/database.js'
import { entryOf, plaintextOf, requireNames, type FileWish } from '../../deposit/attached-file.js'
import type { HeldAttachment } from '../../deposit/keep-attachment.js'
import { withScratch } from '../../deposit/scratch.js'
import type { AttachedFile } from '../../format/attachment.js'
import { Agent } from '../agent.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import { findCurrentEpoch } from '../archive/agreement.table.js'
import { AttachmentKeeper, type AttachmentPlace } from '../basis/attachment-keeper.js'
import { CompleteCopies } from '../archive/complete-copies.js'
import type { SourceKey } from '../archive/lease.table.js'
import { findSource } from '../archive/source.table.js'

/** A file that somebody attaches to a source. */
export interface AttachmentWish extends FileWish {
  readonly key: SourceKey
}

/** A file that waits for the next deposit. */
export interface StagedAttachment {
  readonly entry: AttachedFile
  /** Of the age file. */
  readonly sealed: StreamDigest
  /** When it is forgotten if no deposit was taken. */
  readonly waitUntil: Date
}

/** Takes a file for the next deposit of a source: sealed at once, stored, and locked for a while. */
@Injectable()
export class StageAttachment {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(AttachmentKeeper) private readonly keeper: AttachmentKeeper,
    @Inject(CompleteCopies) private readonly copies: CompleteCopies,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * Attach a file. A file of the same name takes the place of the one before, in deposits from then on. The same bytes again are not stored
   * twice.
   *
   * @throws EscrowError `NOT_FOUND`, `VAULT_NOT_ARMED`, `ARGUMENT_INVALID` for a name that is none, or a source whose depositor seals;
   *   `DIGEST_MISMATCH`, `DEPOSIT_TOO_LARGE`, `SCRATCH_FULL`, `STORE_*`
   */
  async run(wish: AttachmentWish, signal?: AbortSignal): Promise<StagedAttachment> {
    requireNames(wish)
    const place = await this.place(wish.key)
    const held = (await this.again(place, wish, signal)) ?? (await this.keep(place, wish, signal))
    return { entry: entryOf(wish, held), sealed: held.sealed, waitUntil: this.keeper.waitUntil() }
  }

  /**
   * Where files of a source are kept now.
   *
   * @throws EscrowError `NOT_FOUND`, `VAULT_NOT_ARMED`, `ARGUMENT_INVALID`
   */
  async place(key: SourceKey): Promise<AttachmentPlace> {
    const known = await this.shelf.get(key.agreementId)
    const row = await this.database.query((db) => findSource(db, key))
    if (row === null) throw new EscrowError('NOT_FOUND', `agreement ${key.agreementId} has no source ${key.source}`)
    if (row.mode === 'sealed')
      throw new EscrowError('ARGUMENT_INVALID', `source ${key.source} is sealed by its depositor: the operator takes no files for it`)
    const vault = await this.database.query((db) => findCurrentEpoch(db, key.agreementId))
    if (vault === null || known.row.state !== 'armed')
      throw new EscrowError('VAULT_NOT_ARMED', `expected the vault of ${key.agreementId} to be armed, it is ${known.row.state}`)
    return { known, key, vault }
  }

  private keep(place: AttachmentPlace, wish: AttachmentWish, signal?: AbortSignal): Promise<HeldAttachment> {
    const retainUntil = this.keeper.waitUntil()
    const entryOfHeld = (held: HeldAttachment) => entryOf(wish, held)
    return withScratch(this.agent.options.scratch.root, (folder) =>
      this.keeper.keep(place, plaintextOf(wish), { folder, retainUntil, entryOf: entryOfHeld }, signal),
    )
  }

  /** What the store holds already is named again. Build secrets are never looked for: that two of them are equal is nobody's business. */
  private async again(place: AttachmentPlace, wish: AttachmentWish, signal?: AbortSignal): Promise<HeldAttachment | null> {
    if (wish.kind === 'build-secrets') return null
    const held = (await this.keeper.find(place, [wish.file.sha256], signal)).get(wish.file.sha256)
    if (held === undefined || held.plain.sizeBytes !== wish.file.sizeBytes) return null
    await this.copies.ofAttachments([held.key], this.keeper.waitUntil(), signal)
    await this.keeper.wait(place, held, entryOf(wish, held))
    return held
  }
}
