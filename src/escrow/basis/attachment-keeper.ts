import { Inject, Injectable } from '@nestjs/common'
import { assert } from '../../core/errors.js'
import { attachmentWaitDays, inventoryBytesMax } from '../../core/limits.js'
import type { StreamDigest } from '../../crypto/digest.js'
import { sealBytes } from '../../crypto/seal-envelope.js'
import { Database } from '../../db/database.js'
import type { SealedAttachment } from '../../deposit/carry-attached.js'
import { AttachmentArchive, keepAttachment, type AttachmentToKeep, type HeldAttachment } from '../../deposit/keep-attachment.js'
import { attachmentName, attachmentTag, InventoryAttachment, type AttachedFile } from '../../format/attachment.js'
import { canonicalize, parseCanonical } from '../../format/canonical-json.js'
import { AgreementId, newId } from '../../format/ids.js'
import type { KnownObjectsKey } from '../../format/known-objects.js'
import { parseBody } from '../../format/parse-body.js'
import { parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { Agent } from '../agent.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import {
  findAttachments,
  insertAttachment,
  knowsAttachments,
  listWaiting,
  supersedeWaiting,
  waitAttachment,
  type AttachmentRow,
} from './attachment.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { listObjectsUnder, recordObject } from '../archive/object.table.js'
import { ReadPreviousDeposit } from './previous-deposit.js'
import { objectDigests, recordPlacement } from '../archive/store-document.js'

const dayMs = 86_400_000

/** An age file that the store holds. */
export interface AdoptedFile {
  readonly objectId: number
  readonly sealed: StreamDigest
}

/** Whose attachments, and what they are sealed to. */
export interface AttachmentPlace {
  readonly known: KnownAgreement
  readonly key: SourceKey
  readonly vault: { readonly recipient: string; readonly epoch: number }
}

/** Knows what the store holds as attachments, and adds to it. Whatever a replica may hold has been recorded before. */
@Injectable()
export class AttachmentKeeper {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(ReadPreviousDeposit) private readonly previous: ReadPreviousDeposit,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** The attachments of one source and epoch, for whoever takes its deposits. */
  archive(place: AttachmentPlace): AttachmentArchive {
    return {
      find: (digests, signal) => this.find(place, digests, signal),
      keep: (file, on, signal) => this.keep(place, file, { ...on, entryOf: null }, signal),
    }
  }

  /**
   * Which of some contents the store holds for a source.
   *
   * @param digests - SHA-256 of plaintext.
   * @returns by digest; what may expire tomorrow is left out.
   * @throws EscrowError `OBJECT_*`, `STORE_*` when inventories have to be read and cannot
   */
  async find(place: AttachmentPlace, digests: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, HeldAttachment>> {
    const found = new Map<string, HeldAttachment>()
    if (digests.length === 0) return found
    if (!(await this.database.query((db) => knowsAttachments(db, place.key)))) await this.learn(place, signal)
    const tagKey = this.tagKey(place.key)
    const digestOf = new Map(digests.map((digest) => [attachmentTag(tagKey, 'content', digest), digest]))
    const lockedUntil = new Date(this.agent.clock.now().getTime() + dayMs)
    const wanted = { ...place.key, epoch: place.vault.epoch, lockedUntil }
    for (const { attachment, object } of await this.database.query((db) => findAttachments(db, wanted, [...digestOf.keys()]))) {
      const digest = digestOf.get(attachment.contentTag)
      assert(digest !== undefined, 'only what was asked for is found')
      const sealed = { sha256: object.digest, sizeBytes: object.sizeBytes }
      found.set(digest, { key: parseObjectKey(object.key), sealed, plain: { sha256: digest, sizeBytes: attachment.plainBytes } })
    }
    return found
  }

  /**
   * Seal and store a file; with an entry it waits for the next deposit, in the place of whatever waits under the same name.
   *
   * @param on.entryOf - says what the inventory will list; null for an LFS object, which a pointer will name.
   * @throws EscrowError as `AttachmentArchive.keep`
   */
  async keep(
    place: AttachmentPlace,
    file: AttachmentToKeep,
    on: { readonly folder: string; readonly retainUntil: Date; readonly entryOf: ((held: HeldAttachment) => AttachedFile) | null },
    signal?: AbortSignal,
  ): Promise<HeldAttachment> {
    const { key, vault } = place
    const { entropy } = this.agent
    let objectId = 0
    const attemptId = newId('dep', entropy).slice('dep_'.length)
    const beforeComplete: Parameters<typeof keepAttachment>[1]['beforeComplete'] = async (record) => {
      const object = { key: record.key, purpose: 'attachment' as const, agreementId: key.agreementId, attemptId }
      objectId = await this.database.transaction((tx) => recordObject(tx, { ...object, ...objectDigests(record.envelope) }))
    }
    const tools = { agreement: AgreementId.parse(key.agreementId), source: key.source, recipient: vault.recipient, replicas: this.replicas }
    const kept = await keepAttachment(file, { ...tools, ...on, entropy, beforeComplete }, signal)
    const storedAt = this.agent.clock.now()
    const row = this.rowOf(place, { objectId, content: this.contentOf(place, kept), entry: on.entryOf?.(kept) ?? null, storedAt })
    await this.database.transaction(async (tx) => {
      await recordPlacement(tx, { objectId, placement: kept.placement, nextCheckAt: null, storedAt })
      if (row.nameTag !== null) await supersedeWaiting(tx, key, row.nameTag)
      await insertAttachment(tx, row)
    })
    return kept
  }

  /** Let what the store holds wait for the next deposit, in the place of whatever waits under the same name. */
  async wait(place: AttachmentPlace, held: HeldAttachment, entry: AttachedFile): Promise<void> {
    const [object] = await this.database.query((db) => listObjectsUnder(db, [held.key]))
    assert(object !== undefined, 'an attachment that was found has a row')
    const storedAt = this.agent.clock.now()
    const { objectId } = object
    const { nameTag, entry: sealedEntry } = this.rowOf(place, { objectId, content: this.contentOf(place, held), entry, storedAt })
    await this.database.transaction(async (tx) => {
      if (nameTag === null || sealedEntry === null) return
      await supersedeWaiting(tx, place.key, nameTag)
      await waitAttachment(tx, objectId, { entry: sealedEntry, nameTag, storedAt })
    })
  }

  /**
   * Take note of an age file that its depositor has sealed: nobody here knows its content, so it stands for no LFS object. Idempotent.
   *
   * @param entry - with it the file waits for the next deposit, in the place of whatever waits under the same name.
   */
  async note(place: Omit<AttachmentPlace, 'known'>, { objectId, sealed }: AdoptedFile, entry: AttachedFile | null): Promise<void> {
    const storedAt = this.agent.clock.now()
    const unknown = { tag: attachmentTag(this.tagKey(place.key), 'sealed', sealed.sha256), plainBytes: 0 }
    const row = this.rowOf(place, { objectId, content: unknown, entry, storedAt })
    await this.database.transaction(async (tx) => {
      await insertAttachment(tx, { ...row, nameTag: null, entry: null, state: 'kept' })
      if (row.nameTag === null || row.entry === null) return
      await supersedeWaiting(tx, place.key, row.nameTag)
      await waitAttachment(tx, objectId, { entry: row.entry, nameTag: row.nameTag, storedAt })
    })
  }

  /** Files that wait for the next deposit of a source, sealed to the vault of now; those of an epoch that is over are left out. */
  async waiting({ key, vault }: Omit<AttachmentPlace, 'known'>): Promise<readonly SealedAttachment[]> {
    const now = this.agent.clock.now().getTime()
    const rows = await this.database.query((db) => listWaiting(db, key))
    return rows.flatMap(({ attachment, object }): SealedAttachment[] => {
      const { entry, epoch, storedAt } = attachment
      const expired = now - storedAt.getTime() > (attachmentWaitDays - 1) * dayMs
      if (entry === null || epoch !== vault.epoch || expired) return []
      const body = parseCanonical(this.agent.keys.openOwn(entry), inventoryBytesMax)
      const listed = parseBody(body, InventoryAttachment, 'attachment')
      return listed.kind === 'lfs' ? [] : [{ entry: listed, sealed: { sha256: object.digest, sizeBytes: object.sizeBytes } }]
    })
  }

  /** Until when an attachment is locked that no deposit names yet. */
  waitUntil(): Date {
    return new Date(this.agent.clock.now().getTime() + attachmentWaitDays * dayMs)
  }

  /** An index that was rebuilt knows no contents; the inventories of the newest chain do. */
  private async learn(place: AttachmentPlace, signal?: AbortSignal): Promise<void> {
    const { known, key, vault } = place
    for await (const { epoch, entries } of this.previous.attachments(known, key, signal)) {
      if (epoch !== vault.epoch) return
      const keys = new Map(
        entries.map((entry) => [`agreements/${key.agreementId}/sources/${key.source}/${attachmentName(entry.sealed)}`, entry]),
      )
      const objects = await this.database.query((db) => listObjectsUnder(db, [...keys.keys()]))
      for (const { objectId, key: objectKey } of objects) {
        const entry = keys.get(objectKey)
        if (entry === undefined || entry.kind === 'build-secrets') continue
        const { sha256, sizeBytes } = entry
        const content = this.contentOf(place, { plain: { sha256, sizeBytes } })
        const row = this.rowOf(place, { objectId, content, entry: null, storedAt: this.agent.clock.now() })
        await this.database.transaction((tx) => insertAttachment(tx, row))
      }
    }
  }

  private contentOf({ key }: Pick<AttachmentPlace, 'key'>, { plain }: Pick<HeldAttachment, 'plain'>) {
    return { tag: attachmentTag(this.tagKey(key), 'content', plain.sha256), plainBytes: plain.sizeBytes }
  }

  private rowOf(
    { key, vault }: Omit<AttachmentPlace, 'known'>,
    of: { objectId: number; content: { tag: string; plainBytes: number }; entry: AttachedFile | null; storedAt: Date },
  ): AttachmentRow {
    const { objectId, content, entry, storedAt } = of
    const waiting = entry === null ? null : sealBytes(canonicalize(entry), [this.agent.keys.recipient], this.agent.entropy)
    return {
      objectId,
      ...key,
      epoch: vault.epoch,
      contentTag: content.tag,
      plainBytes: content.plainBytes,
      nameTag: entry === null ? null : attachmentTag(this.tagKey(key), 'name', entry.name),
      entry: waiting,
      state: entry === null ? 'kept' : 'waiting',
      storedAt,
    }
  }

  private tagKey({ agreementId, source }: SourceKey): KnownObjectsKey {
    return this.agent.keys.knownObjectsKey(agreementId, source)
  }
}
