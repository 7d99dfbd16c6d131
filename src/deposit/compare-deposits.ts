// What the depositor must explain: history that was rewritten, refs that are gone, a repository that shrank. Pure; nothing here
// refuses a deposit. Both histories are stored, and `blocking` only means that `open` passes over this deposit by default.
import { unreachable } from '../core/errors.js'
import { packShrunkBytesMin, packShrunkPercent, refsShrunkMin, refsShrunkPercent } from '../core/limits.js'
import type { Finding, Inventory, InventoryRef, Severity } from '../format/manifest.js'
import type { RefListing, RemoteHead, RemoteRef } from '../git/git-remote.js'

/**
 * Whether the old tip of a ref is part of the history of the new one. `unproven`: neither the pack nor a fetch of its own shows it,
 * and for promise 6 (no silent failure) that counts like `rewritten`.
 */
export type History = 'forward' | 'rewritten' | 'unproven'

/** A ref that names another object than before. */
export interface RefMove {
  readonly name: string
  readonly from: string
  readonly to: string
}

/** How a listing differs from the refs of the deposit before. */
export interface RefChanges {
  readonly added: readonly RemoteRef[]
  readonly moved: readonly RefMove[]
  readonly deleted: readonly InventoryRef[]
}

/**
 * Compare two sets of refs by name.
 *
 * @returns changes in the order of the lists given; empty lists when nothing changed.
 */
export function changedRefs(before: readonly InventoryRef[], after: readonly RemoteRef[]): RefChanges {
  const old = new Map(before.map((ref) => [ref.name, ref.oid]))
  const present = new Set(after.map((ref) => ref.name))
  const moved = after.flatMap((ref) => {
    const from = old.get(ref.name)
    return from === undefined || from === ref.oid ? [] : [{ name: ref.name, from, to: ref.oid }]
  })
  return {
    added: after.filter((ref) => !old.has(ref.name)),
    moved,
    deleted: before.filter((ref) => !present.has(ref.name)),
  }
}

/** What a comparison rests on. */
export interface Comparison {
  readonly before: { readonly refs: readonly InventoryRef[]; readonly head: Inventory['head'] }
  readonly after: RefListing
  readonly changes: RefChanges
  /** For each moved ref, by name. A name that is missing counts as unproven. */
  readonly histories: ReadonlyMap<string, History>
  /** Commits that were tips before and are proven to be part of the history of some ref now. */
  readonly contained: ReadonlySet<string>
}

/**
 * The findings that the refs of two deposits give.
 *
 * @returns `REFS_REWRITTEN`, `REF_DELETED`, `REFS_SHRUNK`, `REPOSITORY_EMPTY`, `HEAD_CHANGED`; empty when history only grew.
 *
 * Source: DESIGN section 4, step 4. Branches and tags block; other refs (pull requests, notes, changes) are moved and
 * removed by forges all day, so they warn.
 */
export function compareDeposits(comparison: Comparison): readonly Finding[] {
  const { before, after, changes, histories, contained } = comparison
  return [
    ...changes.moved.flatMap((move) => rewritten(move, histories.get(move.name) ?? 'unproven')),
    ...changes.deleted.map((ref) => deleted(ref, contained)),
    ...shrunkRefs(before.refs.length, after.refs.length),
    ...headChanged(before.head, after.head),
  ]
}

/**
 * The finding of a full pack that is much smaller than the full pack before it.
 *
 * @param sizes - bytes of both bundles.
 * @returns `PACK_SHRUNK`, or nothing.
 */
export function comparePackSizes(sizes: { readonly before: number; readonly after: number }): readonly Finding[] {
  if (sizes.before < packShrunkBytesMin || sizes.after * 100 >= sizes.before * (100 - packShrunkPercent)) return []
  return [{ code: 'PACK_SHRUNK', severity: 'blocking', subject: 'bundle', detail: `was ${sizes.before} bytes, is ${sizes.after}` }]
}

const important = (name: string): boolean => name.startsWith('refs/heads/') || name.startsWith('refs/tags/')
const severityOf = (name: string): Severity => (important(name) ? 'blocking' : 'warning')

function rewritten(move: RefMove, history: History): readonly Finding[] {
  // A tag is a promise that a name means one object: for it there is no forward.
  if (history === 'forward' && !move.name.startsWith('refs/tags/')) return []
  const how = history === 'unproven' ? 'not proven to follow it' : 'does not follow it'
  const detail = `was ${move.from}, is ${move.to}, which ${how}`
  const severity = history === 'unproven' && !important(move.name) ? 'info' : severityOf(move.name)
  return [{ code: 'REFS_REWRITTEN', severity, subject: move.name, detail }]
}

function deleted(ref: InventoryRef, contained: ReadonlySet<string>): Finding {
  const finding = { code: 'REF_DELETED', subject: ref.name } as const
  // A merged branch that is removed loses a name and no history. A tag's name is what people rely on.
  if (contained.has(ref.oid) && !ref.name.startsWith('refs/tags/')) {
    return { ...finding, severity: 'info', detail: `was ${ref.oid}, which is part of a remaining ref` }
  }
  return { ...finding, severity: severityOf(ref.name), detail: `was ${ref.oid}` }
}

function shrunkRefs(before: number, after: number): readonly Finding[] {
  const detail = `had ${before} refs, has ${after}`
  if (before > 0 && after === 0) return [{ code: 'REPOSITORY_EMPTY', severity: 'blocking', subject: 'repository', detail }]
  if (before < refsShrunkMin || after * 100 >= before * (100 - refsShrunkPercent)) return []
  return [{ code: 'REFS_SHRUNK', severity: 'blocking', subject: 'repository', detail }]
}

function headChanged(before: Inventory['head'], after: RemoteHead): readonly Finding[] {
  const [was, is] = [headName(before), headName(after)]
  if (was === is) return []
  const severity = before.kind === 'detached' && after.kind === 'detached' ? 'info' : 'warning'
  return [{ code: 'HEAD_CHANGED', severity, subject: 'HEAD', detail: `was ${was}, is ${is}` }]
}

function headName(head: RemoteHead): string {
  switch (head.kind) {
    case 'branch':
      return head.ref
    case 'detached':
      return `detached at ${head.oid}`
    case 'none':
      return 'nothing'
    default:
      return unreachable(head)
  }
}
