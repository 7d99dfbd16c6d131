// What to ask the remote for, and what the bundle will say. Pure. The worker holds no repository: the inventory of the deposit before
// is all it knows of the archive, so it speaks only of objects that were tips then.
import type { BundleHeader } from '../format/bundle-header.js'
import type { DepositKind, Inventory, InventoryRef } from '../format/manifest.js'
import type { FetchRequest, RefListing } from '../git/git-remote.js'

/** One deposit before it is taken. */
export interface DepositPlan {
  readonly kind: DepositKind
  readonly fetch: FetchRequest
  readonly bundle: BundleHeader
}

/**
 * Decide what one deposit fetches and names.
 *
 * @param listing - what the remote lists now.
 * @param previous - the inventory that the deposit rests on; null for a full deposit.
 * @returns a plan; no `wants` means that nothing is fetched and the empty pack is carried.
 *
 * Source: DESIGN section 4, steps 1 and 2, and "Bundle and envelope".
 */
export function planDeposit(listing: RefListing, previous: Pick<Inventory, 'refs' | 'head'> | null): DepositPlan {
  const haves = previous === null ? [] : knownTips(previous)
  const known = new Set(haves)
  const head = headOid(listing.head)
  const tips = [...listing.refs.map((ref) => ref.oid), ...(head === null ? [] : [head])]
  return {
    kind: previous === null ? 'full' : 'incremental',
    fetch: { objectFormat: listing.objectFormat, wants: distinct(tips.filter((oid) => !known.has(oid))), haves },
    bundle: {
      objectFormat: listing.objectFormat,
      prerequisites: previous === null ? [] : prerequisitesOf(previous.refs),
      // HEAD is no ref: `+refs/*:refs/*` passes it by, and `git clone` takes a detached HEAD from it.
      refs: [...(head === null ? [] : [{ name: 'HEAD', oid: head }]), ...listing.refs.map(({ name, oid }) => ({ name, oid }))],
    },
  }
}

/** The object that HEAD names; null when it is unborn or there is none. */
export function headOid(head: Inventory['head']): string | null {
  return head.kind === 'none' ? null : head.oid
}

/**
 * Everything that a deposit's inventory proves the archive to hold: tips, what tags finally point to, a detached HEAD.
 *
 * @returns each id once; empty for an empty repository.
 */
export function knownTips(inventory: Pick<Inventory, 'refs' | 'head'>): readonly string[] {
  const head = headOid(inventory.head)
  return distinct([
    ...inventory.refs.flatMap((ref) => (ref.peeled === undefined ? [ref.oid] : [ref.oid, ref.peeled])),
    ...(head === null ? [] : [head]),
  ])
}

/**
 * Prerequisites are commits that a ref of the deposit before leads to: `git fetch` dies on anything else, and newer versions also on a
 * commit that no ref reaches, which leaves out a detached HEAD. What is not known to be a commit is dropped: they are a guard against
 * restoring in the wrong order, not a list of what is needed.
 */
function prerequisitesOf(refs: readonly InventoryRef[]): readonly string[] {
  return distinct(
    refs.flatMap((ref) => {
      if (ref.type === 'commit') return [ref.oid]
      return ref.peeledType === 'commit' && ref.peeled !== undefined ? [ref.peeled] : []
    }),
  )
}

const distinct = (oids: readonly string[]): readonly string[] => [...new Set(oids)]
