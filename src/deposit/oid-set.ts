// A set of raw object ids in one growing buffer: half a million ids take 40 MB as strings in a Set and 21 MB here, and none is garbage.
import { assert } from '../core/errors.js'

const slotsAtFirst = 1 << 10

/** Distinct object ids of one length. The ids are digests, so their own first bytes are the hash of the table. */
export class OidSet implements Iterable<Uint8Array> {
  private table: Buffer
  private used: Uint8Array
  private count = 0

  /** @param oidBytes - 20 (sha1) or 32 (sha256). */
  constructor(private readonly oidBytes: number) {
    this.table = Buffer.alloc(slotsAtFirst * oidBytes)
    this.used = new Uint8Array(slotsAtFirst)
  }

  /** How many ids it holds. */
  get size(): number {
    return this.count
  }

  /** Whether the id at `offset` of `bytes` is in the set. */
  has(bytes: Buffer, offset = 0): boolean {
    return this.used[this.slotOf(bytes, offset)] === 1
  }

  /** Add the id at `offset` of `bytes`; adding it again changes nothing. */
  add(bytes: Buffer, offset = 0): void {
    const slot = this.slotOf(bytes, offset)
    if (this.used[slot] === 1) return
    this.used[slot] = 1
    bytes.copy(this.table, slot * this.oidBytes, offset, offset + this.oidBytes)
    this.count += 1
    if (this.count * 2 > this.used.length) this.grow()
  }

  /** Views of the ids, in no particular order; valid until the next `add`. */
  *[Symbol.iterator](): Generator<Buffer> {
    for (let slot = 0; slot < this.used.length; slot += 1) {
      if (this.used[slot] === 1) yield this.table.subarray(slot * this.oidBytes, (slot + 1) * this.oidBytes)
    }
  }

  /** The slot that holds this id, or the free one where it belongs. An attacker who grinds equal prefixes buys a slow deposit of its own. */
  private slotOf(bytes: Buffer, offset: number): number {
    assert(offset + this.oidBytes <= bytes.length, 'an object id lies inside its buffer')
    const mask = this.used.length - 1
    let slot = bytes.readUInt32BE(offset) & mask
    while (this.used[slot] === 1 && !this.equalAt(slot, bytes, offset)) slot = (slot + 1) & mask
    return slot
  }

  private equalAt(slot: number, bytes: Buffer, offset: number): boolean {
    const start = slot * this.oidBytes
    for (let index = 0; index < this.oidBytes; index += 1) {
      if (this.table[start + index] !== bytes[offset + index]) return false
    }
    return true
  }

  private grow(): void {
    const before = [...this]
    const slots = this.used.length * 2
    this.table = Buffer.alloc(slots * this.oidBytes)
    this.used = new Uint8Array(slots)
    this.count = 0
    for (const oid of before) this.add(oid)
  }
}
