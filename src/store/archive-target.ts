import type { ObjectKey } from './object-key.js'

/** PORT: a plain copy of the archive that somebody else will read: no locks, no versions, no promises but that what is there is whole. */
export abstract class ArchiveTarget {
  /**
   * Whether an object is there; what is there was verified when it was written.
   *
   * @param sizeBytes - of another size it does not count; null takes any.
   * @throws EscrowError `STORE_*`
   */
  abstract holds(key: ObjectKey, sizeBytes: number | null): Promise<boolean>
  /**
   * Write an object, whole or not at all, over whatever is there.
   *
   * @param blocks - when it throws nothing becomes visible.
   * @throws EscrowError `STORE_*`; what `blocks` throws
   */
  abstract write(key: ObjectKey, blocks: AsyncIterable<Uint8Array>): Promise<void>
}
