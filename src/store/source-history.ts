// The deposits of one source in order, told apart from what merely lies beside them. A deposit is one whose receipt holds, or on which such
// a deposit rests; everything else is an orphan: an attempt that died, or something that somebody put there.
import { EscrowError } from '../core/errors.js'
import { checkChain } from '../format/check-manifest.js'
import { readAhead } from '../format/read-ahead.js'
import type { ArchiveProblem, TrustedAgreement } from './archive-agreement.js'
import { readDeposit, unexplainedFindings, type ArchivedDeposit } from './archived-deposit.js'
import type { ArchiveReader, DepositFolder } from './archive-reader.js'
import { objectKeys, type DepositPlace } from './object-key.js'

const dayMs = 86_400_000

/** Something beside the chain. */
export interface Unpublished {
  readonly place: DepositPlace
  /** Why it is no deposit, in words. */
  readonly reason: string
  /** With a manifest that holds, it can be opened by number all the same. */
  readonly deposit: ArchivedDeposit | null
}

/** What a copy of the archive shows of one source. */
export interface SourceHistory {
  readonly source: string
  /** Deposits, oldest first; each names the one before by digest, except where `problems` says so. */
  readonly published: readonly ArchivedDeposit[]
  readonly unpublished: readonly Unpublished[]
  readonly problems: readonly ArchiveProblem[]
  /** What a reader should know although nothing is wrong. */
  readonly notes: readonly string[]
}

/**
 * Read the documents of every deposit of a source, verify them, and follow the chain from the newest down.
 *
 * @param now - decides whether the oldest deposits may have expired.
 * @returns problems instead of refusals.
 * @throws EscrowError `STORE_*`
 */
export async function readHistory(
  reader: ArchiveReader,
  from: { readonly source: string; readonly folders: readonly DepositFolder[]; readonly trusted: TrustedAgreement; readonly now: Date },
  signal?: AbortSignal,
): Promise<SourceHistory> {
  const { source, folders, trusted, now } = from
  const problems: ArchiveProblem[] = []
  const found: ArchivedDeposit[] = []
  const unpublished: Unpublished[] = []
  const described = folders.filter(({ files }) => files.has('manifest.json'))
  for (const { place, files } of folders) {
    if (!files.has('manifest.json')) unpublished.push({ place, reason: 'it has no manifest', deposit: null })
  }
  for await (const { place, deposit, problems: own } of readAhead(described, (folder) => readDeposit(reader, folder, trusted, signal))) {
    problems.push(...own)
    if (deposit === null) unpublished.push({ place, reason: 'its manifest does not hold', deposit: null })
    else found.push(deposit)
  }
  const { chain, gaps } = followChain(found)
  problems.push(...gaps.map((gap) => gapProblem(source, gap)))
  const { problem, note } = beginning(chain, { trusted, now })
  if (problem !== null) problems.push(problem)
  problems.push(...brokenRules(source, chain))
  const onChain = new Set(chain)
  const rest = found.filter((deposit) => !onChain.has(deposit))
  for (const deposit of rest) unpublished.push({ place: deposit.place, reason: reasonOf(deposit, chain), deposit })
  unpublished.sort((left, right) => left.place.sequence - right.place.sequence)
  return { source, published: chain, unpublished, problems, notes: note === null ? [] : [note] }
}

/** The newest deposit without a blocking finding that nobody has explained; null when there is none. */
export function newestOpenable(history: SourceHistory): ArchivedDeposit | null {
  return history.published.findLast((deposit) => unexplainedFindings(deposit).length === 0) ?? null
}

/** Between two deposits, something is missing: below `above`, and above `below`. */
interface Gap {
  readonly above: ArchivedDeposit
  readonly below: ArchivedDeposit
}

/**
 * From the newest deposit with a receipt downwards by digest. Where a link leads nowhere, it goes on with the next that has a receipt, so
 * that one loss does not hide everything before it.
 */
function followChain(found: readonly ArchivedDeposit[]): { readonly chain: readonly ArchivedDeposit[]; readonly gaps: readonly Gap[] } {
  const byDigest = new Map(found.map((deposit) => [deposit.digest, deposit]))
  const receipted = found
    .filter((deposit) => deposit.receipt !== null)
    .toSorted((left, right) => right.place.sequence - left.place.sequence)
  const newestFirst = new Set<ArchivedDeposit>()
  const gaps: Gap[] = []
  let lowest: ArchivedDeposit | null = null
  for (const start of receipted) {
    if (newestFirst.has(start)) continue
    if (lowest !== null) gaps.push({ above: lowest, below: start })
    // Two receipts for one number: the agent has signed two histories. A sequence that does not fall is no chain either.
    for (
      let next = byDigest.get(start.digest);
      next !== undefined && isBelow(next, lowest);
      next = byDigest.get(next.manifest.previous ?? '')
    ) {
      newestFirst.add(next)
      lowest = next
    }
  }
  return { chain: [...newestFirst].toReversed(), gaps }
}

function isBelow(deposit: ArchivedDeposit, lowest: ArchivedDeposit | null): boolean {
  return lowest === null || deposit.place.sequence < lowest.place.sequence
}

function gapProblem(source: string, { above, below }: Gap): ArchiveProblem {
  const [high, low] = [above.place.sequence, below.place.sequence]
  const where = objectKeys.manifest(above.place)
  if (low >= high) {
    return {
      error: new EscrowError('CHAIN_BROKEN', `${source}: expected one history, got receipts for two: deposit ${low} is in another one`),
      where,
    }
  }
  const missing = high - low > 2 ? `deposits ${low + 1} to ${high - 1} are` : `deposit ${high - 1} is`
  const words = high - low > 1 ? `${missing} missing or altered` : `deposit ${high} does not follow the deposit ${low} that is here`
  return { error: new EscrowError('CHAIN_BROKEN', `${source}: ${words}`), where }
}

/** Old deposits expire by time. Before the agreement is as old as its retention, none can have. */
function beginning(
  chain: readonly ArchivedDeposit[],
  { trusted, now }: { readonly trusted: TrustedAgreement; readonly now: Date },
): { readonly problem: ArchiveProblem | null; readonly note: string | null } {
  const [first] = chain
  if (first === undefined || first.place.sequence === 1) return { problem: null, note: null }
  const { sequence, source, kind } = first.place
  const expiries = [...trusted.versions.values()].map(({ body }) => Date.parse(body.createdAt) + body.retentionDays * dayMs)
  if (kind === 'full' && now.getTime() >= Math.min(...expiries)) {
    return { problem: null, note: `${source}: begins with deposit ${sequence}; what was before may have expired` }
  }
  const error = new EscrowError('CHAIN_BROKEN', `${source}: expected deposits from 1 on, the first is ${sequence} (${kind})`)
  return { problem: { error, where: objectKeys.manifest(first.place) }, note: null }
}

/** The rules between neighbours, for every unbroken stretch that begins with a full deposit. */
function brokenRules(source: string, chain: readonly ArchivedDeposit[]): readonly ArchiveProblem[] {
  const stretches: ArchivedDeposit[][] = []
  for (const deposit of chain) {
    const last = stretches.at(-1)
    const follows = last?.at(-1)?.digest === deposit.manifest.previous
    if (last !== undefined && follows) last.push(deposit)
    else stretches.push([deposit])
  }
  return stretches.flatMap((stretch) => {
    const full = stretch.findIndex((deposit) => deposit.manifest.kind === 'full')
    if (full === -1) return []
    try {
      checkChain(stretch.slice(full))
      return []
    } catch (error) {
      if (!(error instanceof EscrowError)) throw error
      return [{ error, where: source }]
    }
  })
}

function reasonOf(deposit: ArchivedDeposit, chain: readonly ArchivedDeposit[]): string {
  if (deposit.receipt !== null) return 'its receipt speaks of another history'
  const newest = chain.at(-1)
  if (newest === undefined || deposit.manifest.previous === newest.digest) return 'it has no receipt yet'
  return 'it is not on the chain of the newest deposit'
}
