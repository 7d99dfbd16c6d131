// What a push leaves unsaid. A remote that is pulled says what its annotated tags point to, and is a repository that git keeps sound; a client
// that pushes names ids and nothing else. The digest of the refs must be that of the repository that will be restored, so the pack and the
// inventories of the chain answer, and what neither can answer needs a push of everything.
import { EscrowError } from '../core/errors.js'
import { innerTagsMax } from '../core/limits.js'
import type { Inventory, ObjectType } from '../format/manifest.js'
import type { RefListing, RemoteRef } from '../git/git-remote.js'
import type { NeedsFull } from './check-pack.js'
import type { CommitGraph } from './commit-graph.js'
import { restartFinding } from './compose-manifest.js'
import { peelTags, rememberedOf, type Peeled, type Remembered } from './describe-refs.js'

/** Where the answers come from. */
export interface ListingSources {
  readonly gitDir: string
  /** As pushed. */
  readonly listing: RefListing
  /** Types of the tips that the pack carries. */
  readonly types: ReadonlyMap<string, ObjectType>
  /** What the pack leans on; null for a full deposit. */
  readonly previous: Inventory | null
  /** The commits of pack and chain; asked for only when a tip is in neither the pack nor the inventory before. */
  readonly archived: () => Promise<CommitGraph>
}

/** A listing as a remote would have given it. */
export interface CompleteListing {
  readonly outcome: 'complete'
  readonly listing: RefListing
  readonly types: ReadonlyMap<string, ObjectType>
  /** Every tag of the chain that no ref names. */
  readonly innerTags: NonNullable<Inventory['innerTags']>
}

/**
 * Complete the listing of a push.
 *
 * @returns `needs-full` when a branch leads to something of which only the sealed archive could say that it is a commit.
 * @throws EscrowError `REF_TARGET_INVALID` for a branch that leads to a tag, folder or file: no repository could be restored with it
 */
export async function completeListing(sources: ListingSources, signal?: AbortSignal): Promise<CompleteListing | NeedsFull> {
  const { listing, previous } = sources
  const before = rememberedOf(previous)
  const types = await typesOfTips(sources, before)
  const typeOf = (oid: string): ObjectType | undefined => types.get(oid) ?? before.types.get(oid)
  for (const { name, oid } of listing.refs.filter((ref) => ref.name.startsWith('refs/heads/'))) {
    const type = typeOf(oid)
    if (type === undefined) return { outcome: 'needs-full', finding: restartFinding(`no inventory shows ${oid} to be a commit`) }
    if (type !== 'commit') throw new EscrowError('REF_TARGET_INVALID', `expected ${name} to lead to a commit, got a ${type}`)
  }
  const peeled = await peelTags({ ...sources, types, previous }, before, signal)
  const refs = listing.refs.map((ref) => completed(ref, typeOf(ref.oid), peeled.get(ref.oid)?.oid ?? before.peeled.get(ref.oid)))
  const lost = refs.find((ref) => typeOf(ref.oid) === 'tag' && ref.peeled === undefined)
  if (lost !== undefined) return { outcome: 'needs-full', finding: restartFinding(`no inventory shows what the tag ${lost.oid} points to`) }
  const inner = innerTags(refs, before, peeled)
  if (inner.length <= innerTagsMax) return { outcome: 'complete', listing: { ...listing, refs }, types, innerTags: inner }
  if (previous === null) throw new EscrowError('REFS_TOO_MANY', `expected at most ${innerTagsMax} tags without a ref, got ${inner.length}`)
  return { outcome: 'needs-full', finding: restartFinding(`the chain holds ${inner.length} tags that no ref names`) }
}

/** Types from the pack and, where a tip is an older commit, from the history of the chain. */
async function typesOfTips(sources: ListingSources, before: Remembered): Promise<ReadonlyMap<string, ObjectType>> {
  const unknown = sources.listing.refs.filter(({ oid }) => !sources.types.has(oid) && !before.types.has(oid))
  if (unknown.length === 0) return sources.types
  const commits = await sources.archived()
  const types = new Map(sources.types)
  for (const { oid } of unknown) if (commits.has(oid)) types.set(oid, 'commit')
  return types
}

function completed({ name, oid }: RemoteRef, type: ObjectType | undefined, peeled: string | undefined): RemoteRef {
  return type === 'tag' && peeled !== undefined ? { name, oid, peeled } : { name, oid }
}

/** Every tag that the archive holds and no ref names: one of these may be named again, and the client will not send it, nor say that it is a tag. */
function innerTags(refs: readonly RemoteRef[], before: Remembered, peeled: ReadonlyMap<string, Peeled>): CompleteListing['innerTags'] {
  const tips = new Set(refs.map((ref) => ref.oid))
  const all = new Map([...before.peeled].map(([tag, oid]): [string, Peeled] => [tag, { oid, type: before.types.get(oid) }]))
  for (const [tag, target] of peeled) all.set(tag, target)
  return [...all]
    .filter(([tag]) => !tips.has(tag))
    .map(([oid, to]) => ({ oid, peeled: to.oid, ...(to.type === undefined ? {} : { peeledType: to.type }) }))
}
