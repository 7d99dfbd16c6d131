// The part of history that one pack carries, enough to say whether a branch only grew. Pure.
import { archivedCommitsMax, archivedParentsMax } from '../core/limits.js'
import type { History, RefMove } from './compare-deposits.js'

/** Steps over all walks of one deposit: some seconds. A remote with two thousand branches over the same long history must not buy hours. */
const stepsMax = 20_000_000

/** Commits of a pack and their parents, which may lie outside. */
export class CommitGraph {
  private readonly parents = new Map<string, readonly string[]>()
  private steps = 0

  /** Remember a commit of the pack. */
  add(oid: string, parents: readonly string[]): void {
    this.parents.set(oid, parents)
  }

  /** How many commits are known. */
  get size(): number {
    return this.parents.size
  }

  /** Whether this is a commit: one that is remembered itself. */
  has(oid: string): boolean {
    return this.parents.has(oid)
  }

  /** Remember what the lines of an inventory say, beside what is known. */
  addLines(lines: readonly string[]): void {
    for (const line of lines) {
      const [oid = '', ...parents] = line.split(' ')
      this.parents.set(oid, parents)
    }
  }

  /** What is remembered, as lines of an inventory: the first `archivedCommitsMax`, newest first as packs have them. */
  lines(): readonly string[] {
    const lines: string[] = []
    for (const [oid, parents] of this.parents) {
      if (lines.length >= archivedCommitsMax) break
      if (parents.length <= archivedParentsMax) lines.push([oid, ...parents].join(' '))
    }
    return lines
  }

  /**
   * Whether the old tip of a ref is an ancestor of the new one, as far as this pack shows.
   *
   * @returns `forward` when the walk from the new tip meets the old one; `rewritten` when every path ends in a root commit of the pack
   *   without meeting it; `unproven` when a path leaves the pack elsewhere, or the new tip is not in it.
   */
  historyOf(move: Pick<RefMove, 'from' | 'to'>): History {
    let leaves = false
    for (const oid of this.walk(move.to)) {
      if (oid === move.from) return 'forward'
      leaves ||= !this.parents.has(oid)
    }
    return leaves || this.steps > stepsMax ? 'unproven' : 'rewritten'
  }

  /**
   * Everything that the given tips lead to inside the pack, and the first commits outside it.
   *
   * @returns a superset of `tips`.
   */
  reachable(tips: Iterable<string>): ReadonlySet<string> {
    const seen = new Set<string>()
    for (const tip of tips) for (const _ of this.walk(tip, seen));
    return seen
  }

  /** Each commit once; the caller's `seen` is filled on the way and stops the walk at what it holds. */
  private *walk(from: string, seen = new Set<string>()): Generator<string> {
    const open = [from]
    for (let oid = open.pop(); oid !== undefined && this.steps <= stepsMax; oid = open.pop()) {
      if (seen.has(oid)) continue
      this.steps += 1
      seen.add(oid)
      yield oid
      for (const parent of this.parents.get(oid) ?? []) if (!seen.has(parent)) open.push(parent)
    }
  }
}
