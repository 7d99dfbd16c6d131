import { EscrowError } from '../core/errors.js'
import { inventoryBytesMax } from '../core/limits.js'
import { parseCanonical } from './canonical-json.js'
import { Inventory, type Manifest } from './manifest.js'
import { parseBody } from './parse-body.js'
import { digestRefs } from './refs-digest.js'

/**
 * Read an opened inventory and compare it with its manifest.
 *
 * @param bytes - the plaintext; the manifest vouches for its envelope, not yet for its author.
 * @param where - a name for it in refusals, like its object key.
 * @throws EscrowError `FORMAT_INVALID`; `DIGEST_MISMATCH` when it is not the inventory that the manifest speaks of
 */
export function parseInventory(bytes: Uint8Array, manifest: Manifest, where: string): Inventory {
  const inventory = parseBody(parseCanonical(bytes, inventoryBytesMax), Inventory, 'inventory')
  const { agreement, source, sequence, objectFormat } = inventory
  const fits =
    agreement === manifest.agreement &&
    source === manifest.source &&
    sequence === manifest.sequence &&
    objectFormat === manifest.objectFormat
  if (fits && digestRefs(inventory) === manifest.refsDigest && inventory.refs.length === manifest.refCount) return inventory
  throw new EscrowError(
    'DIGEST_MISMATCH',
    `${where}: expected the inventory that the manifest of deposit ${manifest.sequence} speaks of, got another`,
  )
}
