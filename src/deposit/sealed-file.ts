// An envelope in the making: plaintext blocks go in, ciphertext comes out, and uploads follow it. It grows on scratch; or where every store takes it as
// it comes, it lies nowhere.
import { open } from 'node:fs/promises'
import type { Entropy } from '../core/environment.js'
import { AsideDigester, AsidePartsDigester } from '../crypto/aside-digester.js'
import type { PartsDigest, StreamDigest } from '../crypto/digest.js'
import { PayloadSealer } from '../crypto/envelope-payload.js'
import type { SealedHeader } from '../crypto/seal-envelope.js'
import type { GrowingBytes } from '../store/growing-bytes.js'
import { GrowingFile } from '../store/growing-file.js'
import { RelayedBytes } from '../store/relayed-bytes.js'
import { both } from './blocks.js'
import { translateFull } from './scratch.js'

const payloadNonceBytes = 16

/** What was sealed, and what came out. */
export interface SealedFileDigests {
  readonly bundle: StreamDigest
  readonly envelope: PartsDigest
}

/** Where ciphertext goes as it is made. */
interface SealedSink<Growing extends GrowingBytes> {
  /** What uploads follow. */
  readonly growing: Growing
  /** Calls do not overlap. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Nothing more will come. @param sizeBytes - all that was written. */
  readonly end: (sizeBytes: number) => void
  readonly close: () => Promise<void>
}

/** A file on scratch. @throws EscrowError `SCRATCH_FULL` */
async function scratchSink(path: string): Promise<SealedSink<GrowingFile>> {
  const file = await translateFull(open(path, 'wx', 0o600))
  const growing = new GrowingFile(path)
  let sizeBytes = 0
  const write = async (bytes: Uint8Array) => {
    for (let written = 0; written < bytes.byteLength;) {
      const { bytesWritten } = await translateFull(file.write(bytes, written, bytes.byteLength - written, sizeBytes))
      written += bytesWritten
      sizeBytes += bytesWritten
    }
    growing.advance(sizeBytes)
  }
  return { growing, write, end: (whole) => growing.finish(whole), close: () => file.close() }
}

function relaySink(growing: RelayedBytes): SealedSink<RelayedBytes> {
  const end = () => growing.end()
  return { growing, write: (bytes) => growing.give(bytes), end, close: async () => end() }
}

/** One envelope being made. Create, write, finish; `close` in any case. */
export class SealedFile<Growing extends GrowingBytes = GrowingFile> {
  private readonly bundle = new AsideDigester()
  private readonly envelope = new AsidePartsDigester()
  private sizeBytes = 0
  /** What was made last is hashed and written while the next block is sealed. */
  private passedOn: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly sink: SealedSink<Growing>,
    private readonly sealer: PayloadSealer,
  ) {}

  /** What uploads follow. */
  get growing(): Growing {
    return this.sink.growing
  }

  /**
   * Begin an envelope on scratch.
   *
   * @param path - a file that does not exist yet.
   * @param sealed - its owner wipes it after the check of the seal.
   * @throws EscrowError `SCRATCH_FULL`
   */
  static async create(path: string, sealed: SealedHeader, entropy: Entropy): Promise<SealedFile> {
    return SealedFile.begin(await scratchSink(path), sealed, entropy)
  }

  /**
   * Begin an envelope that lies nowhere.
   *
   * @param growing - whoever follows does so already.
   * @param sealed - as `create`.
   */
  static relay(growing: RelayedBytes, sealed: SealedHeader, entropy: Entropy): Promise<SealedFile<RelayedBytes>> {
    return SealedFile.begin(relaySink(growing), sealed, entropy)
  }

  private static async begin<Growing extends GrowingBytes>(
    sink: SealedSink<Growing>,
    { header, fileKey }: SealedHeader,
    entropy: Entropy,
  ): Promise<SealedFile<Growing>> {
    const nonce = entropy.bytes(payloadNonceBytes)
    const file = new SealedFile(sink, new PayloadSealer(fileKey, nonce))
    try {
      await file.append(Buffer.concat([header, nonce]))
      await file.passedOn
      return file
    } catch (error) {
      await sink.close()
      throw error
    }
  }

  /**
   * Seal the next bytes of the bundle. Calls must not overlap; keeps no reference to `bytes`.
   *
   * @param bytes - blocks of about 1 MiB are fastest.
   * @throws EscrowError `SCRATCH_FULL`, from this call, the next, or `finish`
   */
  async write(bytes: Uint8Array): Promise<void> {
    const hashed = this.bundle.update(bytes)
    await both(hashed, this.append(this.sealer.push(bytes)))
  }

  /** Seal the last chunk and say that nothing more will come. Once only. @throws EscrowError `SCRATCH_FULL` */
  async finish(): Promise<SealedFileDigests> {
    await this.append(this.sealer.end())
    await this.passedOn
    this.sink.end(this.sizeBytes)
    const [bundle, envelope] = await Promise.all([this.bundle.finish(), this.envelope.finish()])
    return { bundle, envelope }
  }

  /** Let go of scratch; idempotent. Uploads read a file through handles of their own. */
  async close(): Promise<void> {
    for (const digester of [this.bundle, this.envelope]) digester.drop()
    await Promise.allSettled([this.passedOn])
    await this.sink.close()
  }

  /** @param bytes - untouched until the call after the next. */
  private async append(bytes: Uint8Array): Promise<void> {
    await this.passedOn
    this.sizeBytes += bytes.byteLength
    this.passedOn = both(this.envelope.update(bytes), this.sink.write(bytes))
    // Whoever writes or finishes next hears of it.
    this.passedOn.catch(() => undefined)
  }
}
