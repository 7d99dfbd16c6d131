import { EscrowError } from '../core/errors.js'
import { AsideDigester } from '../crypto/aside-digester.js'
import type { StreamDigest } from '../crypto/digest.js'
import { reopenSealed } from '../crypto/check-sealed-header.js'
import type { SealedHeader } from '../crypto/seal-envelope.js'

/**
 * The check of the seal (DESIGN section 4, step 5): the sealed file, as it comes back from the store, opens to the bundle that was
 * taken, and its header carries the file key for the vault and nobody else. Without it a sealing bug would surface on the day of release.
 *
 * Holds the file key of the moment, which nothing else in the service keeps: `forget` it as soon as the check is done or given up.
 */
export class SealCheck {
  private forgotten = false

  /**
   * @param sealed - owned from now on; `forget` wipes it.
   * @param bundle - what went into the envelope.
   */
  constructor(
    private readonly sealed: SealedHeader,
    private readonly bundle: StreamDigest,
  ) {}

  /**
   * Read an envelope back and compare. May be repeated, for example at another replica, until `forget`.
   *
   * @param readBack - the whole envelope as the store gives it now, not the file on scratch.
   * @throws EscrowError `SEAL_BROKEN`; faults of the store pass through.
   */
  async checkSeal(readBack: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void): Promise<void> {
    if (this.forgotten) throw new EscrowError('SEAL_BROKEN', 'expected a file key to check the seal with, but it is wiped')
    const found = await this.open(readBack, onBytes)
    if (found.sizeBytes === this.bundle.sizeBytes && found.sha256 === this.bundle.sha256) return
    throw new EscrowError(
      'SEAL_BROKEN',
      `expected a bundle of ${this.bundle.sizeBytes} bytes with digest ${this.bundle.sha256}, got ${found.sizeBytes} bytes with ${found.sha256}`,
    )
  }

  private async open(readBack: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void): Promise<StreamDigest> {
    const digester = new AsideDigester()
    try {
      let bytes = 0
      // A block is hashed while the next is opened.
      let hashed: Promise<void> | null = null
      for await (const plain of reopenSealed(readBack, this.sealed, { transient: true })) {
        await hashed
        hashed = digester.update(plain)
        hashed.catch(() => undefined)
        bytes += plain.byteLength
        onBytes?.(bytes)
      }
      return await digester.finish()
    } finally {
      digester.drop()
    }
  }

  /** Overwrite the file key; idempotent. */
  forget(): void {
    this.forgotten = true
    this.sealed.wipe()
  }
}
