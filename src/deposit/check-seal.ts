import { EscrowError, isEscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import { AsideDigester } from '../crypto/aside-digester.js'
import type { StreamDigest } from '../crypto/digest.js'
import { reopenSealed } from '../crypto/check-sealed-header.js'
import type { SealedHeader } from '../crypto/seal-envelope.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { ObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { Placement } from '../store/replica.js'
import { gathered } from './blocks.js'

/** A sealed file that replicas hold. */
export interface PlacedSeal {
  readonly key: ObjectKey
  readonly envelope: ExpectedObject
  /** At least one replica holds it. */
  readonly placement: Placement
}

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
   * Read an envelope back from a replica that holds it, and compare.
   *
   * The first replica is believed nothing and its ciphertext is not hashed: the header is compared byte for byte, every chunk is authentic under the
   * file key and the nonce that came with it, which nobody else can make, and size and digest of the plaintext are those of the bundle. Cut and
   * keystream follow from key, nonce and plaintext alone (c2sp.org/age, "Payload"), so bytes that open like this are the bytes that were sealed. That
   * their recorded digests are right as well is for the fixity checks. On any fault every replica is read by those digests, part for part, which
   * says what is wrong and where, and opens a good copy if there is one.
   *
   * @param onBytes - hears how much has been opened; begins anew after a fault.
   * @throws EscrowError `SEAL_BROKEN`, `OBJECT_*`, `STORE_*`
   */
  async checkStored(
    replicas: ReplicaSet,
    { key, envelope, placement }: PlacedSeal,
    onBytes?: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const only = placement.stored.map((stored) => stored.replica)
    const { store } = replicas.named(only[0] ?? '')
    try {
      // Sockets give pieces that are too small for a thread that hashes.
      await this.checkSeal(gathered(store.get(key, { transient: true }, signal), readBlockBytes), onBytes)
      return
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
    }
    await this.checkSeal(replicas.readVerifiedStream(key, envelope, { only, transient: true }, signal), onBytes)
  }

  /**
   * Open an envelope and compare. May be repeated, for example at another replica, until `forget`.
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
