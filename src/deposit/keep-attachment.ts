// One attachment on its way into the archive: sealed as it comes, named after its own ciphertext, stored, and read back through the check of
// the seal. Plaintext is never on a disk: what lies on scratch is the age file.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entropy } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { attachmentBytesMax, readBlockBytes, scratchBytesMin } from '../core/limits.js'
import type { PartsDigest, StreamDigest } from '../crypto/digest.js'
import { sealHeader, type SealedHeader } from '../crypto/seal-envelope.js'
import type { AgreementId } from '../format/ids.js'
import { GrowingFile } from '../store/growing-file.js'
import { objectKeys, type ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'
import { inBlocks } from './blocks.js'
import { SealCheck } from './check-seal.js'
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
  const path = join(tools.folder, `${Buffer.from(tools.entropy.bytes(8)).toString('hex')}.age`)
  const sealed = sealHeader([tools.recipient], tools.entropy)
  try {
    if (file.expected !== null) await requireRoom(tools.folder, file.expected.sizeBytes)
    const digests = await sealTo(path, file, { sealed, entropy: tools.entropy }, signal)
    const key = objectKeys.attachment(tools.agreement, tools.source, digests.envelope.sha256)
    await tools.beforeComplete({ key, envelope: digests.envelope })
    const placement = await place({ key, path, digests, sealed }, tools, signal)
    const { sha256, sizeBytes } = digests.envelope
    return { key, sealed: { sha256, sizeBytes }, plain: digests.bundle, placement }
  } finally {
    sealed.wipe()
    await rm(path, { force: true })
  }
}

async function requireRoom(folder: string, sizeBytes: number): Promise<void> {
  if (sizeBytes > attachmentBytesMax) throw tooLarge(attachmentBytesMax)
  requireScratchSpace(await inspectScratch(folder), scratchBytesMin + sizeBytes)
}

async function sealTo(
  path: string,
  { bytes, expected }: AttachmentToKeep,
  seal: { readonly sealed: SealedHeader; readonly entropy: Entropy },
  signal?: AbortSignal,
): Promise<SealedFileDigests> {
  const sizeBytesMax = expected?.sizeBytes ?? attachmentBytesMax
  const out = await SealedFile.create(path, seal.sealed, seal.entropy)
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

/** The same sealed bytes to every replica, then one of them read back and opened with the file key of the moment. */
async function place(
  file: { readonly key: ObjectKey; readonly path: string; readonly digests: SealedFileDigests; readonly sealed: SealedHeader },
  { replicas, retainUntil }: AttachmentTools,
  signal?: AbortSignal,
): Promise<Placement> {
  const { key, path, digests, sealed } = file
  const { envelope, bundle } = digests
  const source = { file: GrowingFile.finished(path, envelope.sizeBytes), commit: Promise.resolve(envelope) }
  const placement = await replicas.uploadGrowingFile(key, source, { retainUntil }, signal)
  if (placement.stored.length === 0) requireEvery(placement)
  const only = placement.stored.map((stored) => stored.replica)
  await new SealCheck(sealed, bundle).checkSeal(replicas.readVerifiedStream(key, envelope, { only, transient: true }, signal))
  return placement
}

function tooLarge(sizeBytesMax: number): EscrowError {
  return new EscrowError('DEPOSIT_TOO_LARGE', `expected an attachment of at most ${sizeBytesMax} bytes, got more`)
}
