// One attachment on its way into the archive: sealed as it comes, sent on while it is sealed, named after its own ciphertext, and read back through
// the check of the seal. Plaintext is never on a disk: what may lie on scratch is the age file.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entropy } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { attachmentBytesMax, readBlockBytes, scratchBytesMin } from '../core/limits.js'
import type { PartsDigest, StreamDigest } from '../crypto/digest.js'
import { sealHeader, type SealedHeader } from '../crypto/seal-envelope.js'
import type { AgreementId } from '../format/ids.js'
import type { GrowingBytes } from '../store/growing-bytes.js'
import { objectKeys, type ObjectKey } from '../store/object-key.js'
import { RelayedBytes } from '../store/relayed-bytes.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { Placement } from '../store/replica.js'
import { inBlocks } from './blocks.js'
import { SealCheck } from './check-seal.js'
import { EnvelopeUpload } from './place-envelope.js'
import { inspectScratch, requireScratchSpace } from './scratch.js'
import { SealedFile, type SealedFileDigests } from './sealed-file.js'

/** An attachment that an archive holds. */
export interface HeldAttachment {
  readonly key: ObjectKey
  /** Of the age file. */
  readonly sealed: StreamDigest
  /** Of what it opens to. */
  readonly plain: StreamDigest
}

/** A file on its way in. */
export interface AttachmentToKeep {
  /** Attacker-controlled; read once. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** What the bytes must turn out to be; null when nobody has said. */
  readonly expected: StreamDigest | null
}

/** PORT: the attachments of one source and one epoch of its vault. */
export abstract class AttachmentArchive {
  /** Which of some contents the archive holds. @param digests - SHA-256 of plaintext. @returns by digest; the others are left out. */
  abstract find(digests: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, HeldAttachment>>

  /**
   * Seal and store one file.
   *
   * @param place.folder - private, on scratch.
   * @throws EscrowError `DIGEST_MISMATCH`, `DEPOSIT_TOO_LARGE`, `SCRATCH_FULL`, `SEAL_BROKEN`, `STORE_*`; what its bytes throw
   */
  abstract keep(
    file: AttachmentToKeep,
    place: { readonly folder: string; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<HeldAttachment>
}

/** What an attachment is sealed and stored with. */
export interface AttachmentTools {
  readonly agreement: AgreementId
  readonly source: string
  /** The vault. */
  readonly recipient: string
  readonly retainUntil: Date
  /** On scratch. */
  readonly folder: string
  readonly replicas: ReplicaSet
  readonly entropy: Entropy
  /** Awaited before the first replica completes. */
  readonly beforeComplete: (record: { readonly key: ObjectKey; readonly envelope: PartsDigest }) => Promise<void>
}

/**
 * Seal and store one attachment, and check the seal.
 *
 * @returns at least one replica holds it; who has to catch up is in `placement.failed`.
 * @throws EscrowError as `AttachmentArchive.keep`. Scratch is empty then; what a replica may hold was recorded before.
 */
export async function keepAttachment(
  file: AttachmentToKeep,
  tools: AttachmentTools,
  signal?: AbortSignal,
): Promise<HeldAttachment & { readonly placement: Placement }> {
  const { agreement, source, entropy, replicas } = tools
  const sealed = sealHeader([tools.recipient], entropy)
  const way = new WayIn(tools, sealed, signal)
  try {
    const { out, upload } = await way.open(file.expected)
    const digests = await sealTo(out, file, signal)
    const key = objectKeys.attachment(agreement, source, digests.envelope.sha256)
    await tools.beforeComplete({ key, envelope: digests.envelope })
    const placement = await upload.complete(digests.envelope, key)
    await new SealCheck(sealed, digests.bundle).checkStored(replicas, { key, envelope: digests.envelope, placement }, undefined, signal)
    const { sha256, sizeBytes } = digests.envelope
    return { key, sealed: { sha256, sizeBytes }, plain: digests.bundle, placement }
  } catch (error) {
    await way.abandon(error)
    throw error
  } finally {
    sealed.wipe()
    await way.clear()
  }
}

/** From the seal to the replicas: through scratch, or at once where every replica takes bytes before they have a name. */
class WayIn {
  private readonly path: string
  private upload: EnvelopeUpload | null = null

  constructor(
    private readonly tools: AttachmentTools,
    private readonly sealed: SealedHeader,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.path = join(tools.folder, `${Buffer.from(tools.entropy.bytes(8)).toString('hex')}.age`)
  }

  /** Begin. @throws EscrowError `SCRATCH_FULL`, `DEPOSIT_TOO_LARGE` */
  async open(expected: StreamDigest | null): Promise<{ readonly out: SealedFile<GrowingBytes>; readonly upload: EnvelopeUpload }> {
    const { tools, sealed } = this
    if (expected !== null && expected.sizeBytes > attachmentBytesMax) throw tooLarge(attachmentBytesMax)
    if (tools.replicas.takesNameless) {
      const relay = new RelayedBytes()
      const upload = this.follow(relay)
      return { out: await SealedFile.relay(relay, sealed, tools.entropy), upload }
    }
    if (expected !== null) requireScratchSpace(await inspectScratch(tools.folder), scratchBytesMin + expected.sizeBytes)
    const out = await SealedFile.create(this.path, sealed, tools.entropy)
    return { out, upload: this.follow(out.growing) }
  }

  /** Give up what was begun; never throws. */
  async abandon(reason: unknown): Promise<void> {
    await this.upload?.abandon(reason)
  }

  async clear(): Promise<void> {
    await rm(this.path, { force: true })
  }

  private follow(growing: GrowingBytes): EnvelopeUpload {
    const { replicas, retainUntil } = this.tools
    this.upload = new EnvelopeUpload(replicas, growing, { key: null, retainUntil }, this.signal)
    return this.upload
  }
}

/** Closes the file, too. */
async function sealTo(
  out: SealedFile<GrowingBytes>,
  { bytes, expected }: AttachmentToKeep,
  signal?: AbortSignal,
): Promise<SealedFileDigests> {
  const sizeBytesMax = expected?.sizeBytes ?? attachmentBytesMax
  try {
    let sizeBytes = 0
    for await (const block of inBlocks(bytes, readBlockBytes)) {
      signal?.throwIfAborted()
      sizeBytes += block.byteLength
      if (sizeBytes > sizeBytesMax) throw tooLarge(sizeBytesMax)
      await out.write(block)
    }
    const digests = await out.finish()
    const { bundle: got } = digests
    if (expected === null || (got.sha256 === expected.sha256 && got.sizeBytes === expected.sizeBytes)) return digests
    throw new EscrowError(
      'DIGEST_MISMATCH',
      `expected ${expected.sizeBytes} bytes with digest ${expected.sha256}, got ${got.sizeBytes} with ${got.sha256}`,
    )
  } finally {
    await out.close()
  }
}

function tooLarge(sizeBytesMax: number): EscrowError {
  return new EscrowError('DEPOSIT_TOO_LARGE', `expected an attachment of at most ${sizeBytesMax} bytes, got more`)
}
