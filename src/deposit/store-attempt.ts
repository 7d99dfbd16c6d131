// The last steps of an attempt: let the envelope become visible, read it back, and write the documents that name it.
import { setImmediate as turn } from 'node:timers/promises'
import { sealBytes } from '../crypto/seal-envelope.js'
import { canonicalize } from '../format/canonical-json.js'
import { checkListEdition } from '../format/check-list.js'
import { encodeKnownObjects } from '../format/known-objects.js'
import { gitVersion } from '../git/git-command.js'
import { readObjectIds } from '../git/pack-index.js'
import { opinionVersion, type Opinion } from '../git/second-opinion.js'
import { expectedOf } from '../store/expected-object.js'
import { objectKeys } from '../store/object-key.js'
import type { Placement } from '../store/replica.js'
import type { Attempt } from './attempt.js'
import { SealCheck } from './check-seal.js'
import { inventoryOf, type CollectedAttachments } from './collect-attachments.js'
import { composeInventory, composeManifest } from './compose-manifest.js'
import type { PreparedDeposit } from './deposit-request.js'
import type { Description } from './describe-deposit.js'
import { oidBytesOf } from './object-links.js'
import type { EnvelopeUpload } from './place-envelope.js'
import type { TakenPack } from './take-deposit.js'

/** A pack that has passed its checks, and its upload that waits for leave. */
export interface ReadyAttempt {
  readonly taken: TakenPack
  readonly description: Description
  readonly attachments: CollectedAttachments | null
  /** On its way since the pack was indexed. */
  readonly knownObjects: Promise<PreparedDeposit['knownObjects']>
  readonly upload: EnvelopeUpload
  readonly opinion: Opinion
}

/**
 * Store the envelope and make the documents of a deposit.
 *
 * @returns when the envelope has been read back from a replica and opens to the bundle. The file key is wiped.
 * @throws EscrowError `SEAL_BROKEN`, `STORE_*`, `RETENTION_REFUSED`, `OBJECT_*`; what `beforeComplete` throws, and then nothing is visible.
 */
export async function storeAttempt(attempt: Attempt, ready: ReadyAttempt, signal?: AbortSignal): Promise<PreparedDeposit> {
  const { tools, place, key, refsDigest, listing, request, takenAt } = attempt
  const { taken, description } = ready
  const inventory = sealInventory(attempt, ready)
  const programs = toolsOf(ready, tools.version)
  programs.catch(() => undefined)
  await tools.beforeComplete?.({ place, attempt: attempt.attempt, key, envelope: taken.envelope })
  const placement = await placeAndCheck(attempt, ready, signal)
  const knownObjects = await ready.knownObjects
  signal?.throwIfAborted()
  const { previous } = request
  const manifest = composeManifest({
    agreement: request.agreementDigest,
    source: request.source,
    mode: request.mode,
    sequence: place.sequence,
    kind: place.kind,
    previous: previous === null ? null : { manifest: previous.manifest, digest: previous.manifestDigest },
    takenAt,
    listing: { objectFormat: listing.objectFormat, refCount: listing.refs.length, refsDigest },
    bundle: taken.bundle,
    pack: taken.pack,
    envelope: { ...taken.envelope, key },
    vault: request.vault,
    inventory: { key: inventory.key, ...expectedOf(inventory.bytes) },
    knownObjects: { key: knownObjects.key, ...expectedOf(knownObjects.bytes) },
    attachments: ready.attachments?.sealed ?? [],
    ledger: description.ledger,
    tools: await programs,
  })
  const findings = description.ledger.listed()
  return { place, attempt: attempt.attempt, manifest, envelope: { key, placement }, inventory, knownObjects, findings }
}

/** What has read the pack. isomorphic-git is named where it came to the same ids. */
async function toolsOf({ opinion }: ReadyAttempt, reduit: string): Promise<Readonly<Record<string, string>>> {
  const tools = { checklist: String(checkListEdition), git: await gitVersion(), node: process.versions.node, reduit }
  return opinion === 'agreed' ? { ...tools, 'isomorphic-git': await opinionVersion() } : tools
}

async function placeAndCheck(attempt: Attempt, { taken, upload }: ReadyAttempt, signal?: AbortSignal): Promise<Placement> {
  const { tools, key, sealed } = attempt
  const { envelope, bundle } = taken
  tools.onProgress?.({ phase: 'storing', bytesTotal: envelope.sizeBytes })
  const placement = await upload.complete(envelope)
  const check = new SealCheck(sealed, bundle)
  try {
    const onBytes = (bytes: number) => tools.onProgress?.({ phase: 'checking-seal', bytes, bytesTotal: bundle.sizeBytes })
    await check.checkStored(tools.replicas, { key, envelope, placement }, onBytes, signal)
    return placement
  } finally {
    check.forget()
  }
}

function sealInventory(attempt: Attempt, { description, attachments }: ReadyAttempt): PreparedDeposit['inventory'] {
  const { refs, files, ledger } = description
  const { request, place, listing, plan, tools, push } = attempt
  const plain = composeInventory({
    agreement: request.agreementDigest,
    source: request.source,
    sequence: place.sequence,
    url: request.url,
    objectFormat: listing.objectFormat,
    refs,
    head: listing.head,
    prerequisites: plan.bundle.prerequisites,
    haves: plan.fetch.haves,
    findings: ledger.listed(),
    ...files,
    ...push,
    ...inventoryOf(attachments),
  })
  const bytes = sealBytes(canonicalize(plain), request.inventoryRecipients, tools.entropy)
  return { key: objectKeys.inventory(place, attempt.attempt), bytes, plain }
}

/** Two milliseconds of HMACs. */
const idsAtOnce = 1024

/**
 * The known-objects file of a pack, from the index that git made of it.
 *
 * @throws EscrowError `PACK_CORRUPT`, `GIT_FAILED` when the index cannot be read
 */
export async function listKnownObjects(attempt: Attempt, taken: TakenPack): Promise<PreparedDeposit['knownObjects']> {
  const { listing, place, tools } = attempt
  const oidBytes = oidBytesOf(listing.objectFormat)
  const bytes = await encodeKnownObjects(tools.knownObjectsKey, batches())
  async function* batches(): AsyncGenerator<Iterable<Uint8Array>> {
    for await (const block of readObjectIds(taken.pack.indexPath, listing.objectFormat)) {
      for (let at = 0; at < block.length; at += idsAtOnce * oidBytes) {
        yield idsIn(block.subarray(at, at + idsAtOnce * oidBytes), oidBytes)
        // Git looks for LFS pointers meanwhile, and waits as soon as nobody takes what it says.
        await turn()
      }
    }
  }
  return { key: objectKeys.knownObjects(place, attempt.attempt), bytes }
}

function* idsIn(block: Uint8Array, oidBytes: number): Generator<Uint8Array> {
  for (let offset = 0; offset < block.length; offset += oidBytes) yield block.subarray(offset, offset + oidBytes)
}
