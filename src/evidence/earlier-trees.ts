// Trees that a log once had, and whether it has grown from them: how a fork shows, and a log that was set back.
import { EscrowError } from '../core/errors.js'
import type { Checkpoint } from '../format/checkpoint.js'
import type { LeafIndex } from '../format/leaf-list.js'
import { emptyRoot, sameHash } from '../format/merkle.js'
import type { ArchiveProblem } from '../store/archive-agreement.js'
import type { VerifiedAgreement } from './verify-archive.js'

/** A tree that the log once had, and who says so. */
export interface EarlierTree {
  readonly tree: Checkpoint
  readonly where: string
}

/** The trees that the receipts of an agreement lead to, and those that the verifier has from elsewhere. @returns empty when there are none */
export function earlierTrees({ sources }: VerifiedAgreement, seen: readonly Checkpoint[]): readonly EarlierTree[] {
  const receipts = sources.flatMap(({ history }) => history.published.flatMap(({ receipt }) => (receipt === null ? [] : [receipt])))
  return [
    ...receipts.map(({ checkpoint: tree, receipt }) => ({ tree, where: `${receipt.source}, deposit ${receipt.sequence}` })),
    ...seen.map((tree) => ({ tree, where: `the checkpoint of ${tree.size} leaves that was seen` })),
  ]
}

/** The log must have grown from every earlier tree. @returns `LOG_ROLLED_BACK`, `LOG_FORKED` where it has not; empty when it has */
export function rootProblems(earlier: readonly EarlierTree[], index: LeafIndex, checkpoint: Checkpoint): readonly ArchiveProblem[] {
  return earlier.flatMap(({ tree, where }): ArchiveProblem[] => {
    if (tree.size > checkpoint.size) {
      const words = `expected a log of at least the ${tree.size} leaves that it had before, got ${checkpoint.size}`
      return [{ error: new EscrowError('LOG_ROLLED_BACK', words), where }]
    }
    const root = tree.size === 0 ? emptyRoot() : index.rootsAt.get(tree.size)
    if (root !== undefined && sameHash(root, tree.root)) return []
    const words = `the log of ${checkpoint.size} leaves has not grown from the ${tree.size} leaves that it had before`
    return [{ error: new EscrowError('LOG_FORKED', words), where }]
  })
}
