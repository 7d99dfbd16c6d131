import { EscrowError } from '../../../core/errors.js'
import { inventoryBytesMax } from '../../../core/limits.js'
import { openBytes } from '../../../crypto/holder/open-envelope.js'
import { parseInventory } from '../../../format/check-inventory.js'
import type { Inventory } from '../../../format/manifest.js'
import type { ArchivedDeposit } from '../../../store/archived-deposit.js'
import { depositFileKey, type ArchiveReader } from '../../../store/archive-reader.js'

/**
 * What is in a deposit by name, as its verified manifest vouches for it.
 *
 * @param identity - of the chain's epoch.
 * @throws EscrowError `DIGEST_MISMATCH` when it is not the inventory of this deposit; `FORMAT_INVALID`, `ENVELOPE_*`, `OBJECT_*`
 */
export async function openInventory(
  reader: ArchiveReader,
  deposit: ArchivedDeposit,
  identity: string,
  signal: AbortSignal,
): Promise<Inventory> {
  const { manifest, place } = deposit
  const key = depositFileKey(place, manifest.inventory.key)
  if (manifest.inventory.sizeBytes > inventoryBytesMax) {
    throw new EscrowError('FORMAT_INVALID', `${key}: expected at most ${inventoryBytesMax} bytes, got ${manifest.inventory.sizeBytes}`)
  }
  const blocks: Uint8Array[] = []
  for await (const block of reader.open(key, manifest.inventory, signal)) blocks.push(block)
  return parseInventory(openBytes(Buffer.concat(blocks), identity), manifest, key)
}
