import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { attachmentBytesMax, attachmentsArrivingMax, uploadLeaseMs } from '../../core/limits.js'
import type { AttachedFile } from '../../format/attachment.js'
import { AgreementId, newId, Sha256Hex } from '../../format/ids.js'
import type { Viewer } from '../../http/viewer.js'
import { objectKeys, type ObjectKey } from '../../store/object-key.js'
import { OfferInbox } from '../../store/offer-inbox.js'
import { AdoptAttachment, type FileToAdopt } from './adopt-attachment.js'
import { Agent } from '../agent.js'
import { AttachmentKeeper } from '../basis/attachment-keeper.js'
import { PushDoor } from '../push/push-door.js'

/** Which attachment: the source, and the digest of the age file. */
export interface AttachmentAddress {
  readonly agreement: string
  readonly source: string
  readonly digest: string
}

/** What its depositor says of an attachment. Nobody here can verify digest and size of what is inside. */
export interface AttachmentWord {
  /** For the inventory; left out of a sealed source, whose inventory its depositor makes. */
  readonly entry?: AttachedFile | undefined
  /** Of the vault that it is sealed to; left out of a sealed source, whose deposit says it. */
  readonly epoch?: number | undefined
}

/** How much has arrived. */
export interface ArrivedAttachment {
  readonly sizeBytes: number
  /** The store holds it whole: nothing is to be sent. */
  readonly held: boolean
}

/** An attachment that the store holds. */
export interface TakenAttachment {
  readonly sizeBytes: number
  /** When it is forgotten if no deposit has named it. */
  readonly waitUntil: Date
}

/** Takes attachments that their depositor has sealed and sends in pieces: the service sees ciphertext, sizes, and for its inventory a name. */
@Injectable()
export class TakeAttachment {
  constructor(
    @Inject(OfferInbox) private readonly inbox: OfferInbox,
    @Inject(PushDoor) private readonly door: PushDoor,
    @Inject(AdoptAttachment) private readonly adopt: AdoptAttachment,
    @Inject(AttachmentKeeper) private readonly keeper: AttachmentKeeper,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** How much has arrived. @throws EscrowError `NOT_FOUND`, `PUSH_REFUSED`, `VAULT_NOT_ARMED` */
  async arrived(viewer: Viewer, address: AttachmentAddress): Promise<ArrivedAttachment> {
    const { folder, file } = await this.enter(viewer, address)
    const held = await this.adopt.held(file.key)
    if (held !== null) return { sizeBytes: held.sealed.sizeBytes, held: true }
    return { sizeBytes: await this.sizeOf(folder, file.key), held: false }
  }

  /**
   * Take a piece.
   *
   * @returns how much has arrived with it.
   * @throws EscrowError `OFFER_OFFSET`, `DEPOSIT_TOO_LARGE`, `OFFERS_TOO_MANY`, `QUOTA_EXCEEDED`; as `arrived`
   */
  async append(viewer: Viewer, address: AttachmentAddress, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<ArrivedAttachment> {
    const { folder, file } = await this.enter(viewer, address)
    const held = offset === 0 ? await this.adopt.held(file.key) : null
    if (held !== null) return { sizeBytes: held.sealed.sizeBytes, held: true }
    if (offset === 0) await this.makeRoom(address, folder)
    const sizeBytesMax = Math.min(attachmentBytesMax, this.agent.options.packBytesMax)
    return { sizeBytes: await this.inbox.append(folder, { key: file.key, offset, sizeBytesMax, bytes }), held: false }
  }

  /**
   * Store an attachment that has arrived whole; with an entry it waits for the next deposit. Idempotent.
   *
   * @throws EscrowError `NOT_FOUND` when nothing of it has arrived; `DIGEST_MISMATCH`, `ENVELOPE_HEADER`, `RECIPIENT_INVALID` as `AdoptAttachment.run`, and
   *   then it is forgotten; `RECIPIENT_INVALID` for another epoch than that of now; `BODY_INVALID`; as `arrived`; `SCRATCH_FULL`, `STORE_*`
   */
  async finish(viewer: Viewer, address: AttachmentAddress, word: AttachmentWord, signal?: AbortSignal): Promise<TakenAttachment> {
    const { folder, file, place } = await this.enter(viewer, address)
    requireWord(word, { digest: address.digest, sealed: place.row.mode === 'sealed', epoch: place.vault.epoch })
    const waitUntil = this.keeper.waitUntil()
    // An index that was rebuilt learns what it held before it hears of more.
    if (place.row.mode !== 'sealed') await this.keeper.find(place, [address.digest], signal)
    const isHeld = (await this.adopt.held(file.key)) !== null
    if (!isHeld && (await this.sizeOf(folder, file.key)) === 0)
      throw new EscrowError('NOT_FOUND', `nothing has arrived of attachment ${address.digest}`)
    const adopted = await this.adopt.run(file, waitUntil, signal).catch(async (error: unknown) => {
      // What can never become an attachment is forgotten, so that it can be sent anew.
      if (isEscrowError(error) && /^(?:DIGEST_MISMATCH|ENVELOPE_|RECIPIENT_)/.test(error.code)) await this.inbox.remove(folder)
      throw error
    })
    await this.keeper.note(place, adopted, word.entry ?? null)
    await this.inbox.remove(folder)
    return { sizeBytes: adopted.sealed.sizeBytes, waitUntil }
  }

  private async sizeOf(folder: string, key: ObjectKey): Promise<number> {
    return (await this.inbox.list(folder)).find((file) => file.key === key)?.sizeBytes ?? 0
  }

  /** What nobody has added to for a day is forgotten; a depositor that begins more and more is stopped. */
  private async makeRoom({ agreement, source }: AttachmentAddress, folder: string): Promise<void> {
    await this.door.requireRoom({ agreementId: agreement })
    await this.inbox.sweep(new Date(this.agent.clock.now().getTime() - uploadLeaseMs), folder)
    const begun = await this.inbox.offers(`${agreement}-${source}-`)
    const others = begun.filter((name) => name !== folder && name.length === folder.length)
    if (others.length < attachmentsArrivingMax) return
    throw new EscrowError('OFFERS_TOO_MANY', `expected fewer than ${attachmentsArrivingMax} unfinished attachments of ${source}`)
  }

  /** Only its depositor finds an attachment, and one digest is one folder. */
  private async enter(viewer: Viewer, { agreement, source, digest }: AttachmentAddress) {
    const place = await this.door.openAttached(viewer, { agreement, source })
    if (!Sha256Hex.safeParse(digest).success) throw new EscrowError('NOT_FOUND', 'expected an attachment by the SHA-256 of its age file')
    const { agreementId } = place.key
    const folder = `${agreementId}-${source}-${digest}`
    const key = objectKeys.attachment(AgreementId.parse(agreementId), source, digest)
    const attemptId = newId('dep', this.agent.entropy).slice('dep_'.length)
    const open = () => this.inbox.open(folder).store.get(key)
    return { folder, place, file: { key, sha256: digest, agreementId, attemptId, open } satisfies FileToAdopt }
  }
}

function requireWord(
  { entry, epoch }: AttachmentWord,
  expected: { readonly digest: string; readonly sealed: boolean; readonly epoch: number },
): void {
  if (expected.sealed) {
    if (entry === undefined && epoch === undefined) return
    throw new EscrowError('BODY_INVALID', 'expected no word on it: the depositor of this source makes the inventory itself')
  }
  if (epoch === undefined || entry?.sealed !== expected.digest) {
    throw new EscrowError('BODY_INVALID', 'expected an epoch, and an entry for the inventory with the digest of the address')
  }
  if (epoch !== expected.epoch) {
    throw new EscrowError('RECIPIENT_INVALID', `expected a file sealed to epoch ${expected.epoch}, that of now, got epoch ${epoch}`)
  }
}
