// What a checked pack means: what its refs are, how history changed since the deposit before, what HEAD's tree holds. All of it becomes the
// inventory and the findings; none of it refuses a deposit.
import type { Finding, Inventory, InventoryRef } from '../format/manifest.js'
import type { GitRemote, RefListing } from '../git/git-remote.js'
import type { CheckedPack } from './check-pack.js'
import { withLfsFindings, type CollectedAttachments } from './collect-attachments.js'
import type { CommitGraph } from './commit-graph.js'
import { changedRefs, compareDeposits, comparePackSizes, type RefMove } from './compare-deposits.js'
import { addFsckFindings } from './compose-manifest.js'
import { describeRefs } from './describe-refs.js'
import { FindingLedger } from './findings.js'
import { fileFindings } from './file-findings.js'
import { inventoryFiles, type FileInventory } from './inventory.js'
import { matchSubmodules, type Siblings, type Superproject } from './match-submodules.js'
import { oidBytesOf } from './object-links.js'
import { headOid } from './plan-deposit.js'
import { proveHistories, readCommits } from './prove-history.js'

/** Where a description comes from. */
export interface DescriptionSources {
  readonly listing: RefListing
  readonly checked: CheckedPack
  readonly gitDir: string
  /** Scratch, for proofs. */
  readonly folder: string
  readonly remote: GitRemote
  /** What to compare with; null for the first deposit. */
  readonly before: Inventory | null
  /** What the pack leans on; null for a full deposit. */
  readonly chainInventory: Inventory | null
  /** Sizes to compare, when both deposits are full. */
  readonly full: { readonly bundleBytes: number; readonly beforeBytes: number } | null
  /** What travels with the deposit beside git, which may still be on its way; null when nobody collected it. */
  readonly attachments: Promise<CollectedAttachments | null>
  /** Found before the pack was looked at. */
  readonly findings: readonly Finding[]
  readonly scratchOnDisk: boolean
  readonly epochExposed: boolean
  /** What is deposited, for submodules with relative addresses. */
  readonly superproject: Superproject
  /** Null when nobody knows the other sources of the agreement. */
  readonly siblings: Siblings | null
}

/** What the documents of a deposit say beside digests and sizes. */
export interface Description {
  readonly refs: readonly InventoryRef[]
  readonly files: FileInventory
  readonly ledger: FindingLedger
}

/**
 * Describe a deposit.
 *
 * @throws EscrowError `REMOTE_*` when a proof of history cannot be fetched; `PACK_CORRUPT`, `GIT_FAILED`
 */
export async function describeDeposit(sources: DescriptionSources, signal?: AbortSignal): Promise<Description> {
  const { listing, checked, gitDir, chainInventory } = sources
  const ledger = new FindingLedger()
  ledger.addAll(sources.findings)
  ledger.addAll(circumstances(sources))
  addFsckFindings(ledger, checked.fsck)
  const refs = await describeRefs({ gitDir, listing, types: checked.types, previous: chainInventory }, signal)
  ledger.addAll(await compare(sources, refs, signal))
  const head = headOid(listing.head)
  const source = head === null ? null : { gitDir, oidBytes: oidBytesOf(listing.objectFormat), commit: head }
  const found = await inventoryFiles(source, chainInventory, signal)
  const submodules = await matchSubmodules(found.submodules, sources.superproject, sources.siblings)
  const files = { ...found, submodules }
  const attachments = await sources.attachments
  ledger.addAll(withLfsFindings(fileFindings(files, attachments?.listed), files, attachments))
  return { refs, files, ledger }
}

function circumstances(sources: DescriptionSources): readonly Finding[] {
  const finding = (code: Finding['code'], subject: string, detail: string): Finding => ({ code, severity: 'warning', subject, detail })
  const neverHadRefs = sources.listing.refs.length === 0 && (sources.before?.refs.length ?? 0) === 0
  return [
    ...(neverHadRefs ? [finding('REPOSITORY_EMPTY', 'repository', 'the remote lists no refs')] : []),
    ...(sources.listing.refs.length > 0 && headOid(sources.listing.head) === null
      ? [finding('HEAD_MISSING', 'HEAD', 'it names no commit, so nothing would be checked out')]
      : []),
    ...(sources.scratchOnDisk
      ? [finding('SCRATCH_ON_DISK', 'scratch', 'a crash may leave plaintext on the disk of who took the deposit')]
      : []),
    ...(sources.epochExposed ? [finding('EPOCH_EXPOSED', 'vault', 'a share of this epoch was released before')] : []),
    ...(sources.full === null ? [] : comparePackSizes({ before: sources.full.beforeBytes, after: sources.full.bundleBytes })),
  ]
}

async function compare(sources: DescriptionSources, refs: readonly InventoryRef[], signal?: AbortSignal): Promise<readonly Finding[]> {
  const { before, listing, checked, remote, folder } = sources
  // Ids of two object formats cannot be compared.
  if (before === null || before.objectFormat !== listing.objectFormat) return []
  const { objectFormat } = listing
  const changes = changedRefs(before.refs, listing.refs)
  if (changes.moved.length === 0 && changes.deleted.length === 0) {
    return compareDeposits({ before, after: listing, changes, histories: new Map(), contained: new Set() })
  }
  const commits = await historyOf(sources, changes.moved, signal)
  const histories =
    checked.archived === undefined
      ? await proveHistories(changes.moved, commits, { remote, objectFormat, folder }, signal)
      : new Map(changes.moved.map((move) => [move.name, commits.historyOf(move)]))
  const contained = commits.reachable(refs.flatMap((ref) => (ref.peeled === undefined ? [ref.oid] : [ref.oid, ref.peeled])))
  return compareDeposits({ before, after: listing, changes, histories, contained })
}

/** The commits that say how refs moved: those of the pack, and for a push also those of the chain, if the pack alone does not tell. */
async function historyOf(sources: DescriptionSources, moves: readonly RefMove[], signal?: AbortSignal): Promise<CommitGraph> {
  const { checked, chainInventory, gitDir, listing } = sources
  if (checked.archived === undefined) return chainInventory === null ? readCommits(gitDir, listing.objectFormat, signal) : checked.commits
  return moves.every((move) => checked.commits.historyOf(move) === 'forward') ? checked.commits : checked.archived()
}
