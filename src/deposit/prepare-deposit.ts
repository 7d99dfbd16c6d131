// One deposit from listing to a body that can be signed: steps 1 to 6 of DESIGN section 4 without lease, database and publication, which
// are the caller's. A worker and a depositor (`deposit --sealed`) run the same code.
import { assert } from '../core/errors.js'
import type { Finding, Inventory } from '../format/manifest.js'
import { digestRefs } from '../format/refs-digest.js'
import type { RefListing } from '../git/git-remote.js'
import { attemptDeposit } from './attempt-deposit.js'
import { restartFinding } from './compose-manifest.js'
import type { AttachedFiles, DepositRequest, DepositResult, DepositTools, OpenedDeposit, PreviousDeposit } from './deposit-request.js'

/**
 * Take one deposit, store its envelope on the replicas and check the seal.
 *
 * @returns `unchanged` when the remote lists what the previous deposit holds and no full was asked for. A prepared deposit is not yet one:
 *   until its manifest is published, its envelope is an orphan under retention. At least one replica holds it; `placement.failed` names
 *   those that have to catch up.
 * @throws EscrowError `REMOTE_*`, `DEPOSIT_TOO_LARGE`, `PACK_*`, `SCRATCH_FULL`, `STORE_*`, `RETENTION_REFUSED`, `SEAL_BROKEN`, `GIT_*`;
 *   the signal's reason. Scratch is empty then, and no upload is left open.
 *
 * Source: DESIGN section 4, steps 1 to 6.
 */
export async function prepareDeposit(request: DepositRequest, tools: DepositTools, signal?: AbortSignal): Promise<DepositResult> {
  tools.onProgress?.({ phase: 'listing' })
  const listing = await tools.remote.listRefs(signal)
  const takenAt = tools.clock.now()
  const refsDigest = digestRefs(listing)
  // What is sealed to an epoch that is over must be sealed again, changed or not.
  const asBefore = isSealedTo(request.vault, request.previous) && request.previous?.manifest.refsDigest === refsDigest
  if (asBefore && !request.full && request.attachmentsWait !== true) return { outcome: 'unchanged', listing, refsDigest }
  const before = (await request.previous?.open()) ?? null
  const attached = request.attached?.(before?.inventory ?? null) ?? { files: [], findings: [] }
  const basis = basisOf(request, { listing, before, attached })
  const work = { request, tools, listing, refsDigest, takenAt, before, attached: attached.files }
  const first = await attemptDeposit({ ...work, ...basis }, signal)
  if (first.outcome === 'prepared') return first
  // The chain does not hold what the remote leaned on: an incremental would be a chain that cannot be restored.
  const restart = [...basis.findings, first.finding]
  const second = await attemptDeposit({ ...work, chain: null, findings: restart }, signal)
  assert(second.outcome === 'prepared', 'a full deposit needs no chain')
  return second
}

function isSealedTo(vault: DepositRequest['vault'], previous: PreviousDeposit | null): boolean {
  const envelope = previous?.manifest.envelope
  return envelope?.recipient === vault.recipient && envelope.epoch === vault.epoch
}

/** What the deposit rests on, and why on nothing. */
interface Basis {
  readonly chain: { readonly inventory: Inventory; readonly previous: OpenedDeposit } | null
  readonly findings: readonly Finding[]
}

function basisOf(
  request: DepositRequest,
  found: { readonly listing: RefListing; readonly before: OpenedDeposit | null; readonly attached: AttachedFiles },
): Basis {
  const { previous, vault } = request
  const { listing, before } = found
  const { findings } = found.attached
  if (previous === null || before === null || request.full || request.chainComplete === true) return { chain: null, findings }
  const restarted = (why: string): Basis => ({ chain: null, findings: [...findings, restartFinding(why)] })
  const { inventory } = before
  if (inventory === null) return restarted('the inventory of the deposit before cannot be opened')
  if (listing.objectFormat !== inventory.objectFormat) {
    return restarted(`the object format was ${inventory.objectFormat}, is ${listing.objectFormat}`)
  }
  // A chain opens with one vault key: whoever receives the shares of an epoch must be able to restore from them alone.
  if (!isSealedTo(vault, previous)) {
    return restarted(`the vault's epoch was ${previous.manifest.envelope.epoch}, is ${vault.epoch}`)
  }
  return { chain: { inventory, previous: before }, findings }
}
