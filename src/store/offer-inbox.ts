import type { ArchiveReader } from './archive-reader.js'
import type { ObjectKey } from './object-key.js'

/** One file of an offer that has begun to arrive. */
export interface ArrivedFile {
  readonly key: ObjectKey
  readonly sizeBytes: number
}

/**
 * PORT: where sealed deposits arrive piece by piece, before anybody has looked at them. Ciphertext and signed documents only, attacker-controlled; what is
 * in here is no deposit, and is lost without harm: its depositor sends it again.
 */
export abstract class OfferInbox {
  /** The offers whose names begin so. @throws EscrowError `STORE_*` */
  abstract offers(prefix: string): Promise<readonly string[]>

  /** What has arrived of an offer; empty when nothing has. @param offer - a name of `a-z0-9-`. @throws EscrowError `STORE_*` */
  abstract list(offer: string): Promise<readonly ArrivedFile[]>

  /**
   * Add bytes to the end of a file.
   *
   * @param piece.offset - what the sender believes to have arrived.
   * @param piece.sizeBytesMax - of the whole file.
   * @param piece.bytes - they must not change any more.
   * @returns the size of the file afterwards. When the bytes end early, what came stays.
   * @throws EscrowError `OFFER_OFFSET` with the real size in `details.sizeBytes`; `DEPOSIT_TOO_LARGE`; `STORE_*`; what `bytes` throws
   */
  abstract append(
    offer: string,
    piece: { readonly key: ObjectKey; readonly offset: number; readonly sizeBytesMax: number; readonly bytes: AsyncIterable<Uint8Array> },
  ): Promise<number>

  /** Read an offer as an archive of one deposit. */
  abstract open(offer: string): ArchiveReader

  /** Forget an offer. Idempotent. */
  abstract remove(offer: string): Promise<void>

  /** When somebody added to an offer last; null when there is none. @throws EscrowError `STORE_*` */
  abstract addedTo(offer: string): Promise<Date | null>

  /** Forget offers that nobody has added to since, but not this one. @returns how many. */
  abstract sweep(before: Date, keep: string): Promise<number>
}
