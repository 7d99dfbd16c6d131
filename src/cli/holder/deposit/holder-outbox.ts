// Attachments that a depositor seals itself: age files in a folder with the layout of the archive, on their way to be sent, and what is in them.
import { join } from 'node:path'
import { z } from 'zod'
import { SystemClock, SystemEntropy } from '../../../core/environment.js'
import { attachmentsMax, inventoryBytesMax } from '../../../core/limits.js'
import { Digester, type StreamDigest } from '../../../crypto/digest.js'
import { entryOf, plaintextOf, requireNames, type FileWish } from '../../../deposit/attached-file.js'
import { AttachmentArchive, keepAttachment, type AttachmentToKeep, type HeldAttachment } from '../../../deposit/keep-attachment.js'
import type { AttachedFile } from '../../../format/attachment.js'
import { canonicalize, parseCanonical } from '../../../format/canonical-json.js'
import { SafeCount, Sha256Hex, type AgreementId } from '../../../format/ids.js'
import { parseBody } from '../../../format/parse-body.js'
import { FsLogHeadStore } from '../../../store/fs-log-head-store.js'
import { FsObjectStore } from '../../../store/fs-object-store.js'
import { makeStoreFolder } from '../../../store/fs-store-folder.js'
import { objectKeys } from '../../../store/object-key.js'
import { ReplicaSet } from '../../../store/replica-set.js'
import { exists, readNamedFile, writeNamedFile } from '../../files.js'

const Digested = z.strictObject({ sha256: Sha256Hex, sizeBytes: SafeCount })
const Contents = z.array(z.strictObject({ epoch: SafeCount, plain: Digested, sealed: Digested })).max(attachmentsMax * 2)

/** An age file, and what it opens to; its depositor's own knowledge. */
export type Content = z.infer<typeof Contents>[number]

/** What is sealed, and to what. */
export interface OutboxPlace {
  readonly agreement: AgreementId
  readonly source: string
  readonly vault: { readonly recipient: string; readonly epoch: number }
}

/** A folder of sealed files. */
export class AttachmentOutbox extends AttachmentArchive {
  private readonly byPlain: Map<string, Content>

  private constructor(
    private readonly place: OutboxPlace,
    readonly replicas: ReplicaSet,
    known: readonly Content[],
  ) {
    super()
    this.byPlain = new Map(known.filter(({ epoch }) => epoch === place.vault.epoch).map((one) => [one.plain.sha256, one]))
  }

  /** @param folder - made when it is missing. @param known - sealed before, and still to be had: here or where they were sent. */
  static async open(folder: string, place: OutboxPlace, known: readonly Content[]): Promise<AttachmentOutbox> {
    await makeStoreFolder(folder)
    const [store, heads] = [
      new FsObjectStore(folder, new SystemClock(), new SystemEntropy()),
      new FsLogHeadStore(folder, new SystemEntropy()),
    ]
    return new AttachmentOutbox(place, new ReplicaSet([{ name: 'outbox', store, heads, country: 'ZZ', control: 'ZZ' }]), known)
  }

  /** Everything that is known, what was sealed since included. */
  contents(): readonly Content[] {
    return [...this.byPlain.values()]
  }

  async find(digests: readonly string[]): Promise<ReadonlyMap<string, HeldAttachment>> {
    const found = digests.flatMap((digest): [string, HeldAttachment][] => {
      const content = this.byPlain.get(digest)
      return content === undefined ? [] : [[digest, { key: this.keyOf(content.sealed), plain: content.plain, sealed: content.sealed }]]
    })
    return new Map(found)
  }

  async keep(
    file: AttachmentToKeep,
    on: { readonly folder: string; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<HeldAttachment> {
    const { agreement, source, vault } = this.place
    const tools = { agreement, source, recipient: vault.recipient, replicas: this.replicas, ...on }
    const kept = await keepAttachment(file, { ...tools, entropy: new SystemEntropy(), beforeComplete: async () => undefined }, signal)
    const { plain, sealed } = kept
    this.byPlain.set(plain.sha256, { epoch: vault.epoch, plain, sealed })
    return kept
  }

  /**
   * Seal a file that somebody attaches, unless it was sealed before.
   *
   * @param folder - private; ciphertext lies there for a moment.
   * @throws EscrowError as `keep`; `ARGUMENT_INVALID` for a name that is none
   */
  async attach(
    wish: FileWish,
    folder: string,
    signal?: AbortSignal,
  ): Promise<{ readonly entry: AttachedFile; readonly sealed: StreamDigest }> {
    requireNames(wish)
    // A compartment is looked for by what is sealed of it: its header, too.
    const plain = wish.kind === 'build-secrets' ? await digestOf(plaintextOf(wish).bytes) : wish.file
    const known = (await this.find([plain.sha256])).get(plain.sha256)
    const held = known ?? (await this.keep(plaintextOf(wish), { folder, retainUntil: new SystemClock().now() }, signal))
    return { entry: entryOf(wish, held), sealed: held.sealed }
  }

  private keyOf({ sha256 }: StreamDigest) {
    return objectKeys.attachment(this.place.agreement, this.place.source, sha256)
  }
}

/** Where an age file lies in a folder with the layout of the archive. */
export function sealedPath(folder: string, { agreement, source }: Pick<OutboxPlace, 'agreement' | 'source'>, sha256: string): string {
  return join(folder, objectKeys.attachment(agreement, source, sha256))
}

/** Read what a depositor noted of its sealed files. @returns nothing when there is no such file. @throws EscrowError `FORMAT_INVALID`, `FILE_UNREADABLE` */
export async function readContents(path: string): Promise<readonly Content[]> {
  if (!(await exists(path))) return []
  return parseBody(parseCanonical(await readNamedFile(path, inventoryBytesMax), inventoryBytesMax), Contents, path)
}

/** Note what is in sealed files: digests of plaintext, so for its owner alone. */
export async function writeContents(path: string, contents: readonly Content[]): Promise<void> {
  await writeNamedFile(path, canonicalize(contents), { secret: true })
}

async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<StreamDigest> {
  const digester = new Digester()
  for await (const block of bytes) digester.update(block)
  return digester.finish()
}
