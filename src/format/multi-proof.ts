/**
 * One proof for many leaves: the tree is walked from its root, left before right; a part without any of the leaves is one hash of the proof,
 * a leaf is its own hash, and whatever holds both is split as RFC 6962 splits it. Neighbours share what lies above them.
 */
import { EscrowError, assert } from '../core/errors.js'
import { hashBytes, nodeHash, sameHash, splitOf, type LeafRange } from './merkle.js'

/** A leaf that a proof is for. */
export interface ProvenPlace {
  readonly index: number
  readonly hash: Uint8Array
}

/**
 * The parts of the tree that the proof holds, in its order.
 *
 * @param indexes - ascending, each below `size`; at least one.
 */
export function multiProofRanges(indexes: readonly number[], size: number): readonly LeafRange[] {
  assert(indexes.length > 0 && ascending(indexes, size), 'ascending indexes below the size')
  const ranges: LeafRange[] = []
  const walk = (range: LeafRange, wanted: readonly number[]): void => {
    if (wanted.length === 0) return void ranges.push(range)
    if (range.end - range.start === 1) return
    const middle = range.start + splitOf(range.end - range.start)
    walk({ start: range.start, end: middle }, before(wanted, middle))
    walk({ start: middle, end: range.end }, wanted.slice(before(wanted, middle).length))
  }
  walk({ start: 0, end: size }, indexes)
  return ranges
}

/**
 * Verify that leaves are in a tree.
 *
 * @param claim - size and root; the caller trusts the root.
 * @param leaves - attacker-controlled; ascending.
 * @param proof - attacker-controlled.
 * @throws EscrowError `PROOF_INVALID`
 */
export function verifyMultiProof(
  claim: { readonly size: number; readonly root: Uint8Array },
  leaves: readonly ProvenPlace[],
  proof: readonly Uint8Array[],
): void {
  const indexes = leaves.map((leaf) => leaf.index)
  if (leaves.length === 0 || !ascending(indexes, claim.size))
    throw invalid('expected leaves in ascending order, below the size of the tree')
  if ([...proof, ...leaves.map((leaf) => leaf.hash)].some((hash) => hash.length !== hashBytes))
    throw invalid(`expected hashes of ${hashBytes} bytes`)
  const left = proof.values()
  const root = rootOf({ start: 0, end: claim.size }, leaves, left)
  if (left.next().done !== true) throw invalid('the proof has more hashes than the tree needs')
  if (!sameHash(root, claim.root)) throw invalid('the proof leads to another root')
}

function rootOf(range: LeafRange, leaves: readonly ProvenPlace[], proof: Iterator<Uint8Array>): Uint8Array {
  const [first] = leaves
  if (first === undefined) {
    const next = proof.next()
    if (next.done === true) throw invalid('the proof has fewer hashes than the tree needs')
    return next.value
  }
  if (range.end - range.start === 1) return first.hash
  const middle = range.start + splitOf(range.end - range.start)
  const count = leaves.filter((leaf) => leaf.index < middle).length
  const left = rootOf({ start: range.start, end: middle }, leaves.slice(0, count), proof)
  return nodeHash(left, rootOf({ start: middle, end: range.end }, leaves.slice(count), proof))
}

const before = (indexes: readonly number[], end: number) => indexes.filter((index) => index < end)

function ascending(indexes: readonly number[], size: number): boolean {
  return indexes.every((index, at) => Number.isSafeInteger(index) && index < size && index > (indexes[at - 1] ?? -1))
}

function invalid(words: string): EscrowError {
  return new EscrowError('PROOF_INVALID', words)
}
