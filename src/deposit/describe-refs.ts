// What the inventory says of each ref. Only what is verified goes in: types that git has read from this pack, or that the inventory
// before vouches for. What a remote claims about tags is checked by reading them.
import { EscrowError } from '../core/errors.js'
import { linkedObjectBytesMax } from '../core/limits.js'
import type { Inventory, InventoryRef, ObjectType } from '../format/manifest.js'
import { readObjects, statObjects } from '../git/cat-file.js'
import type { RefListing, RemoteRef } from '../git/git-remote.js'
import { oidBytesOf, parseTagTarget, type TagTarget } from './object-links.js'

/** Tags of tags that are followed: git itself has no limit, people stop at two. */
const tagDepthMax = 64

/** Where refs are described from. */
export interface RefSources {
  readonly gitDir: string
  readonly listing: RefListing
  /** Types of the tips that the pack carries. */
  readonly types: ReadonlyMap<string, ObjectType>
  /** Null for a full deposit. */
  readonly previous: Pick<Inventory, 'refs' | 'innerTags'> | null
}

/**
 * Describe every ref of a listing.
 *
 * @returns in the order of the listing, and with the same digest: names, ids, `peeled` and `symref` are the remote's. `type` and
 *   `peeledType` are left out where neither this pack nor the deposit before shows them.
 * @throws EscrowError `REMOTE_PROTOCOL` when a tag leads elsewhere than the remote says; `PACK_CORRUPT`, `GIT_FAILED`
 */
export async function describeRefs(sources: RefSources, signal?: AbortSignal): Promise<readonly InventoryRef[]> {
  const before = rememberedOf(sources.previous)
  const peeled = await peelTags(sources, before, signal)
  return sources.listing.refs.map((ref) => describe(ref, sources.types, peeled, before))
}

/** What a tag finally points to; the type is missing where neither the pack nor an inventory shows it. */
export interface Peeled {
  readonly oid: string
  readonly type: ObjectType | undefined
}

/** What the inventory before vouches for. */
export interface Remembered {
  readonly types: ReadonlyMap<string, ObjectType>
  readonly peeled: ReadonlyMap<string, string>
}

/** What an inventory vouches for, by id. */
export function rememberedOf(previous: Pick<Inventory, 'refs' | 'innerTags'> | null): Remembered {
  const types = new Map<string, ObjectType>()
  const peeled = new Map<string, string>()
  for (const ref of previous?.refs ?? []) {
    if (ref.type !== undefined) types.set(ref.oid, ref.type)
    if (ref.peeled === undefined) continue
    peeled.set(ref.oid, ref.peeled)
    if (ref.peeledType !== undefined) types.set(ref.peeled, ref.peeledType)
  }
  for (const tag of previous?.innerTags ?? []) {
    types.set(tag.oid, 'tag')
    peeled.set(tag.oid, tag.peeled)
    if (tag.peeledType !== undefined) types.set(tag.peeled, tag.peeledType)
  }
  return { types, peeled }
}

function describe(
  ref: RemoteRef,
  types: ReadonlyMap<string, ObjectType>,
  peeledTags: ReadonlyMap<string, Peeled>,
  before: Remembered,
): InventoryRef {
  const type = types.get(ref.oid) ?? before.types.get(ref.oid)
  const { peeled } = ref
  const found = peeledTags.get(ref.oid)
  if (peeled !== undefined && found !== undefined && found.oid !== peeled) {
    throw new EscrowError('REMOTE_PROTOCOL', `expected ${ref.name} to lead to ${peeled} as the remote says, got ${found.oid}`)
  }
  const peeledType = peeled === undefined ? undefined : (found?.type ?? before.types.get(peeled))
  return {
    name: ref.name,
    oid: ref.oid,
    ...(type === undefined ? {} : { type }),
    ...(peeled === undefined ? {} : { peeled }),
    ...(peeledType === undefined ? {} : { peeledType }),
    ...(ref.symref === undefined ? {} : { symref: ref.symref }),
  }
}

/**
 * What each tag of the pack finally points to: one round of git for each level of nesting.
 *
 * @returns by id: the tags that refs name, and the tags between these and what they point to.
 * @throws EscrowError `GIT_FAILED`, `PACK_CORRUPT`
 */
export async function peelTags(sources: RefSources, before: Remembered, signal?: AbortSignal): Promise<ReadonlyMap<string, Peeled>> {
  const tips = sources.listing.refs.map((ref) => ref.oid)
  const peeled = new Map<string, Peeled>()
  /** Where we are, for each tag that is not yet peeled; and over which tags we came. */
  let open = new Map(tips.filter((oid) => sources.types.get(oid) === 'tag').map((tag) => [tag, tag]))
  const ways = new Map<string, string[]>()
  for (let depth = 0; open.size > 0 && depth < tagDepthMax; depth += 1) {
    const targets = await readTargets(sources, [...new Set(open.values())], signal)
    const heads = await statObjects(sources.gitDir, [...new Set([...targets.values()].map((target) => target.oid))], signal)
    const next = new Map<string, string>()
    for (const [tag, at] of open) {
      const target = targets.get(at)
      if (target === undefined) continue
      const type = heads.get(target.oid)?.type
      const found = type === undefined ? outsidePack(target, before) : { oid: target.oid, type }
      if (type === 'tag') next.set(tag, target.oid)
      else if (found !== null) for (const passed of [tag, ...(ways.get(tag) ?? [])]) peeled.set(passed, found)
      if (type === 'tag') ways.set(tag, [...(ways.get(tag) ?? []), target.oid])
    }
    open = next
  }
  return peeled
}

/** A tag that leads to what the archive holds already. What it claims about the type there is no proof, but enough to know whether to stop. */
function outsidePack(target: TagTarget, before: Remembered): Peeled | null {
  const type = before.types.get(target.oid)
  if ((type ?? target.type) !== 'tag') return { oid: target.oid, type }
  const final = before.peeled.get(target.oid)
  return final === undefined ? null : { oid: final, type: before.types.get(final) }
}

async function readTargets(sources: RefSources, tags: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, TagTarget>> {
  const oidBytes = oidBytesOf(sources.listing.objectFormat)
  const targets = new Map<string, TagTarget>()
  for await (const tag of readObjects(sources.gitDir, tags, linkedObjectBytesMax, signal)) {
    if (tag?.type === 'tag') targets.set(tag.oid, parseTagTarget(tag.body, oidBytes))
  }
  return targets
}
