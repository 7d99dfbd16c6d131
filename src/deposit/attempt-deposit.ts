// One attempt at one deposit, from an empty scratch folder to a stored and checked envelope. Everything before `storeAttempt` can be given
// up without a trace. If we stop after it, the replicas hold an orphan under retention that no leaf names, and the next run starts again.
import { join } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { scratchBytesMin, scratchPerPackByte, secondOpinionBytesMaxDefault } from '../core/limits.js'
import { sealHeader, type SealedHeader } from '../crypto/seal-envelope.js'
import { encodeBundleHeader } from '../format/bundle-header.js'
import { differencesFrom } from '../format/check-deposit-statement.js'
import { newId } from '../format/ids.js'
import type { Finding } from '../format/manifest.js'
import { digestRefs } from '../format/refs-digest.js'
import { initRepository } from '../git/scratch-repository.js'
import { secondOpinion, type Opinion } from '../git/second-opinion.js'
import { objectKeys } from '../store/object-key.js'
import type { Attempt, AttemptResult, AttemptWork } from './attempt.js'
import { both } from './blocks.js'
import { collectAttachments, type CollectedAttachments } from './collect-attachments.js'
import { checkFullPack, checkIncrementalPack, type CheckedPack, type NeedsFull } from './check-pack.js'
import { CommitGraph } from './commit-graph.js'
import { completeListing } from './complete-listing.js'
import type { OpenedDeposit } from './deposit-request.js'
import { describeDeposit, type Description } from './describe-deposit.js'
import { emptyPack } from './empty-pack.js'
import { EnvelopeUpload } from './place-envelope.js'
import { scanLfsPointers } from './lfs-scan.js'
import { planDeposit } from './plan-deposit.js'
import { readCommits } from './prove-history.js'
import { inspectScratch, requireScratchSpace, withScratch, type ScratchReport } from './scratch.js'
import { SealedFile } from './sealed-file.js'
import { listKnownObjects, storeAttempt } from './store-attempt.js'
import { takeDeposit, type TakenPack } from './take-deposit.js'
import { takeOwnPack } from './take-own-pack.js'

/**
 * Take, check and store one deposit.
 *
 * @returns `needs-full` only for an incremental; nothing is stored then.
 * @throws EscrowError as `prepareDeposit`.
 */
export async function attemptDeposit(work: AttemptWork, signal?: AbortSignal): Promise<AttemptResult> {
  const { request, tools } = work
  const space = await inspectScratch(tools.scratch.root)
  const bundleBytes = work.chain === null ? (work.before?.fullBundleBytes ?? 0) : 0
  requireScratchSpace(space, scratchBytesMin + bundleBytes * scratchPerPackByte)
  return withScratch(tools.scratch.root, async (folder) => {
    const sealed = sealHeader([request.vault.recipient], tools.entropy)
    const [scalar = new Uint8Array()] = sealed.ephemeralScalars
    tools.onSealed?.({ fileKey: Uint8Array.from(sealed.fileKey), ephemeralScalar: Uint8Array.from(scalar) })
    try {
      return await run(planAttempt(work, { folder, space, sealed }), signal)
    } finally {
      sealed.wipe()
    }
  })
}

function planAttempt(work: AttemptWork, on: { folder: string; space: ScratchReport; sealed: SealedHeader }): Attempt {
  const { request, tools, listing, chain } = work
  const plan = planDeposit(listing, chain?.inventory ?? null)
  const sequence = (request.previous?.manifest.sequence ?? 0) + 1
  const place = { agreement: request.agreement, source: request.source, sequence, kind: plan.kind }
  const attempt = newId('dep', tools.entropy).slice('dep_'.length)
  // The empty pack is our own.
  const noFsck = request.noFsck === true && plan.fetch.wants.length > 0
  return { ...work, ...on, plan, noFsck, place, attempt, key: objectKeys.bundle(place, attempt), gitDir: join(on.folder, 'pack.git') }
}

async function run(attempt: Attempt, signal?: AbortSignal): Promise<AttemptResult> {
  const { tools, request, listing, folder, sealed, key, gitDir } = attempt
  await initRepository(gitDir, listing.objectFormat)
  const file = await SealedFile.create(join(folder, 'bundle.age'), sealed, tools.entropy)
  const upload = new EnvelopeUpload(tools.replicas, file.growing, { key, retainUntil: request.retainUntil(attempt.plan.kind) }, signal)
  let knownObjects: ReturnType<typeof listKnownObjects> | undefined
  let opinion: Promise<Opinion> | undefined
  const scan = new LfsScan(attempt, signal)
  const stop = new AbortController()
  const stopped = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])])
  const following = tools.follow?.(key, file.growing, stopped)
  try {
    const taken = await take(attempt, { file, onWritten: () => scan.begin() }, signal)
    tools.onProgress?.({ phase: 'checking' })
    // The checks wait for git most of the time; listing what the pack holds is work for our own processor meanwhile.
    knownObjects = listKnownObjects(attempt, taken)
    knownObjects.catch(() => undefined)
    opinion = askAgain(attempt, taken, stopped)
    opinion.catch(() => undefined)
    scan.begin()
    const checked = await check(attempt, taken, signal)
    if (checked.outcome === 'needs-full') return checked
    const complete = listing.pushed === true ? await completePush(attempt, checked, signal) : { attempt, checked }
    if ('outcome' in complete) return complete
    // HEAD's tree is read while git still lists every object for LFS pointers.
    const collecting = collectAttachments(complete.attempt, scan.pointers, signal)
    const describing = describe(complete.attempt, { taken, checked: complete.checked, attachments: collecting }, signal)
    const [attachments, description] = await both(collecting, describing)
    const ready = { taken, description, attachments, knownObjects, upload, opinion: await opinion }
    return { outcome: 'prepared', deposit: await storeAttempt(complete.attempt, ready, signal) }
  } finally {
    // They read what goes with the folder: the pack, its index, the sealed file.
    stop.abort()
    await Promise.allSettled([knownObjects, opinion, scan.pointers, following])
    // Without effect when it has completed.
    await upload.abandon(new Error('the attempt was given up'))
    await file.close()
  }
}

/** Looks for LFS pointers as soon as the pack lies there. */
class LfsScan {
  /** Undefined before it has begun, and where nobody collects what they stand for. */
  pointers: ReturnType<typeof scanLfsPointers> | undefined

  constructor(
    private readonly attempt: Attempt,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Idempotent. */
  begin(): void {
    if (this.attempt.tools.attachments === undefined) return
    this.pointers ??= scanLfsPointers(this.attempt.gitDir, this.signal)
    this.pointers.catch(() => undefined)
  }
}

/** What is fetched is hashed again; what a depositor packs from a repository of its own may be taken as it is. */
async function take(
  attempt: Attempt,
  { file, onWritten }: { readonly file: SealedFile; readonly onWritten: () => void },
  signal?: AbortSignal,
): Promise<TakenPack> {
  const request = takeRequestOf(attempt)
  if (!attempt.noFsck) return takeDeposit(request, file, signal)
  const from = await attempt.tools.remote.folder?.()
  if (from === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected a repository on this machine, got one elsewhere')
  return takeOwnPack({ ...request, from, fetch: attempt.plan.fetch, onWritten }, file, signal)
}

function takeRequestOf({ plan, listing, tools, gitDir, request }: Attempt) {
  const { wants } = plan.fetch
  return {
    kind: plan.kind,
    objectFormat: listing.objectFormat,
    bundleHeader: encodeBundleHeader(plan.bundle),
    openPack: (signal: AbortSignal) => (wants.length === 0 ? emptyPack(listing.objectFormat) : tools.remote.fetchPack(plan.fetch, signal)),
    gitDir,
    packBytesMax: request.packBytesMax,
    onProgress: tools.onProgress,
  }
}

function check(attempt: Attempt, taken: TakenPack, signal?: AbortSignal): Promise<CheckedPack | NeedsFull> {
  const { listing, chain, tools, plan, gitDir, noFsck } = attempt
  const pack = { gitDir, objectFormat: listing.objectFormat, tips: plan.bundle.refs.map((ref) => ref.oid), noFsck }
  if (chain === null) return checkFullPack(pack, taken.pack.fsck, signal)
  return checkIncrementalPack(pack, { key: tools.knownObjectsKey, files: chain.previous.knownObjects() }, signal)
}

/** The other implementation computes while git works. */
function askAgain({ gitDir, listing, request, noFsck }: Attempt, { pack }: TakenPack, signal?: AbortSignal): Promise<Opinion> {
  const { packPath, sizeBytes } = pack
  // A second opinion on what git itself has not looked at would be a first one.
  const packBytesMax = noFsck ? 0 : (request.secondOpinionBytesMax ?? secondOpinionBytesMaxDefault)
  return secondOpinion({ gitDir, objectFormat: listing.objectFormat, packPath, sizeBytes }, { packBytesMax }, signal)
}

/** The same attempt, with everything that the client did not say about its refs. */
async function completePush(
  attempt: Attempt,
  found: CheckedPack,
  signal?: AbortSignal,
): Promise<{ readonly attempt: Attempt; readonly checked: CheckedPack } | NeedsFull> {
  const { listing, chain, gitDir } = attempt
  const commits = chain === null ? await readCommits(gitDir, listing.objectFormat, signal) : found.commits
  const archived = once(() => archivedHistory(commits, chain?.previous ?? null))
  const complete = await completeListing({ gitDir, listing, types: found.types, previous: chain?.inventory ?? null, archived }, signal)
  if (complete.outcome === 'needs-full') return complete
  const push = { commits: commits.lines(), innerTags: complete.innerTags }
  const refsDigest = digestRefs(complete.listing)
  return {
    attempt: { ...attempt, listing: complete.listing, refsDigest, push },
    checked: { ...found, types: complete.types, commits, archived },
  }
}

/** What the pack and the inventories of the chain show of the history. */
async function archivedHistory(commits: CommitGraph, previous: OpenedDeposit | null): Promise<CommitGraph> {
  const all = new CommitGraph()
  all.addLines(commits.lines())
  for await (const lines of previous?.history?.() ?? []) all.addLines(lines)
  return all
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

/** What nobody has hashed since the depositor's git took it in: this pack, or one that it rests on. */
function notChecked({ noFsck, chain, request }: Attempt): readonly Finding[] {
  const finding = { code: 'PACK_NOT_CHECKED', severity: 'warning' } as const
  if (noFsck) return [{ ...finding, subject: 'pack', detail: 'copied from the repository of its depositor; no object was hashed again' }]
  const isBefore = chain !== null && request.previous?.manifest.findings.some(({ code }) => code === finding.code) === true
  return isBefore ? [{ ...finding, subject: 'chain', detail: 'a deposit that this one rests on was copied and not hashed again' }] : []
}

/** What the depositor says it sent is not what came: it blocks, like every history that somebody must explain. */
function notAsStated({ request, listing, refsDigest }: Attempt, { pack }: TakenPack): readonly Finding[] {
  if (request.stated === undefined) return []
  const { objectFormat, refs } = listing
  const arrived = { objectFormat, refsDigest, refCount: refs.length, packChecksum: pack.packChecksum }
  const finding = { code: 'STATEMENT_DIFFERS', severity: 'blocking', subject: 'deposit statement' } as const
  return differencesFrom(request.stated, arrived).map((detail) => ({ ...finding, detail }))
}

function describe(
  attempt: Attempt,
  found: { taken: TakenPack; checked: CheckedPack; attachments: Promise<CollectedAttachments | null> },
  signal?: AbortSignal,
): Promise<Description> {
  const { request, tools, chain, listing, gitDir, folder, findings, space } = attempt
  const sizes = { bundleBytes: found.taken.bundle.sizeBytes, beforeBytes: attempt.before?.fullBundleBytes ?? 0 }
  const sources = {
    listing,
    checked: found.checked,
    gitDir,
    folder,
    remote: tools.remote,
    before: attempt.before?.inventory ?? null,
    chainInventory: chain?.inventory ?? null,
    full: chain === null ? sizes : null,
    attachments: found.attachments,
    findings: [...findings, ...notAsStated(attempt, found.taken), ...notChecked(attempt)],
    scratchOnDisk: space.kind === 'disk' && !tools.scratch.ephemeral,
    epochExposed: request.vault.exposed,
    superproject: { source: request.source, url: request.url },
    siblings: request.siblings ?? null,
  }
  return describeDeposit(sources, signal)
}
