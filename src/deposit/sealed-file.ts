// The sealed file on scratch: plaintext blocks go in, ciphertext grows on disk, and uploads follow it. Nothing here waits for a store.
import { open, type FileHandle } from 'node:fs/promises'
import type { Entropy } from '../core/environment.js'
import { AsideDigester, AsidePartsDigester } from '../crypto/aside-digester.js'
import type { PartsDigest, StreamDigest } from '../crypto/digest.js'
import { PayloadSealer } from '../crypto/envelope-payload.js'
import type { SealedHeader } from '../crypto/seal-envelope.js'
import { GrowingFile } from '../store/growing-file.js'
import { both } from './blocks.js'
import { translateFull } from './scratch.js'

const payloadNonceBytes = 16

/** What was sealed, and what came out. */
export interface SealedFileDigests {
  readonly bundle: StreamDigest
  readonly envelope: PartsDigest
}

/** One envelope being written. Create, write, finish; `close` in any case. */
export class SealedFile {
  private readonly bundle = new AsideDigester()
  private readonly envelope = new AsidePartsDigester()
  private sizeBytes = 0
  /** The digest of what was written last, which is made while the next block is sealed. */
  private hashed: Promise<void> = Promise.resolve()

  private constructor(
    private readonly file: FileHandle,
    private readonly sealer: PayloadSealer,
    /** What uploads follow. */
    readonly growing: GrowingFile,
  ) {}

  /**
   * Begin an envelope.
   *
   * @param path - a file that does not exist yet.
   * @param sealed - its owner wipes it after the check of the seal.
   * @throws EscrowError `SCRATCH_FULL`
   */
  static async create(path: string, sealed: SealedHeader, entropy: Entropy): Promise<SealedFile> {
    const nonce = entropy.bytes(payloadNonceBytes)
    const file = await translateFull(open(path, 'wx', 0o600))
    const sealedFile = new SealedFile(file, new PayloadSealer(sealed.fileKey, nonce), new GrowingFile(path))
    try {
      await sealedFile.append(sealed.header)
      await sealedFile.append(nonce)
      return sealedFile
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Seal the next bytes of the bundle. Calls must not overlap; keeps no reference to `bytes`.
   *
   * @param bytes - blocks of about 1 MiB are fastest.
   * @throws EscrowError `SCRATCH_FULL`
   */
  async write(bytes: Uint8Array): Promise<void> {
    const hashed = this.bundle.update(bytes)
    await both(hashed, this.append(this.sealer.push(bytes)))
  }

  /** Seal the last chunk and say that the file will not grow any more. Once only. @throws EscrowError `SCRATCH_FULL` */
  async finish(): Promise<SealedFileDigests> {
    await this.append(this.sealer.end())
    await this.hashed
    this.growing.finish(this.sizeBytes)
    const [bundle, envelope] = await Promise.all([this.bundle.finish(), this.envelope.finish()])
    return { bundle, envelope }
  }

  /** Close the file; idempotent. Uploads read it through handles of their own. */
  async close(): Promise<void> {
    for (const digester of [this.bundle, this.envelope]) digester.drop()
    await this.file.close()
  }

  private async append(bytes: Uint8Array): Promise<void> {
    await this.hashed
    this.hashed = this.envelope.update(bytes)
    // Whoever writes or finishes next hears of it.
    this.hashed.catch(() => undefined)
    let written = 0
    while (written < bytes.byteLength) {
      const { bytesWritten } = await translateFull(this.file.write(bytes, written, bytes.byteLength - written, this.sizeBytes))
      written += bytesWritten
      this.sizeBytes += bytesWritten
    }
    this.growing.advance(this.sizeBytes)
  }
}
