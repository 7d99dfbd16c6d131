// What belongs to a deposit beside its pack: the files that people attached, and the objects of git LFS that pointers of the pack stand for,
// in whatever ref they are. What the archive holds already is named again and not fetched; what is not to be had is a finding.
import { isEscrowError } from '../core/errors.js'
import { attachmentsMax, lfsAtOnce, lfsBatchMax, lfsListedMax } from '../core/limits.js'
import type { InventoryAttachment } from '../format/attachment.js'
import type { Finding, Inventory } from '../format/manifest.js'
import type { LfsObject, LfsPlace, LfsRemote } from '../git/lfs-remote.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { Attempt } from './attempt.js'
import type { FileInventory } from './inventory.js'
import type { AttachmentArchive, HeldAttachment } from './keep-attachment.js'
import { readLfsUrl } from './lfs-config.js'
import type { scanLfsPointers } from './lfs-scan.js'
import { oidBytesOf } from './object-links.js'
import { headOid } from './plan-deposit.js'

/** The attachments of one deposit. */
export interface CollectedAttachments {
  /** For the inventory. */
  readonly listed: readonly InventoryAttachment[]
  /** For the manifest: each age file once. */
  readonly sealed: readonly ExpectedObject[]
  /** Why an LFS object is not among them, by digest. */
  readonly missing: ReadonlyMap<string, { readonly sizeBytes: number; readonly reason: string }>
}

/**
 * Collect what belongs to a deposit.
 *
 * @param pointers - on its way since the pack was indexed.
 * @returns null when attachments are somebody else's matter: whoever seals at home has no archive to look into.
 * @throws EscrowError `STORE_*`, `SCRATCH_FULL`, `SEAL_BROKEN`, `GIT_*`; what a remote does wrong is in `missing`
 */
export async function collectAttachments(
  attempt: Attempt,
  pointers: ReturnType<typeof scanLfsPointers> | undefined,
  signal?: AbortSignal,
): Promise<CollectedAttachments | null> {
  const { tools, chain } = attempt
  const archive = tools.attachments
  if (archive === undefined) return null
  const attached = attempt.attached.slice(0, attachmentsMax)
  const wanted = new Map(await pointers)
  // What the deposits before could not have may be there by now.
  for (const { oid, sizeBytes } of chain?.inventory.lfsMissing ?? []) if (!wanted.has(oid)) wanted.set(oid, sizeBytes)
  const objects = [...wanted].map(([oid, sizeBytes]) => ({ oid, sizeBytes }))
  if (objects.length > 0) tools.onProgress?.({ phase: 'collecting', objects: 0, objectsTotal: objects.length })
  const lfs = await new LfsCollection(attempt, archive, signal).run(objects, attachmentsMax - attached.length)
  const held = lfs.held.map((one): InventoryAttachment => ({ kind: 'lfs', sealed: one.sealed.sha256, ...one.plain }))
  const sealed = new Map([...attached.map((one) => one.sealed), ...lfs.held.map((one) => one.sealed)].map((file) => [file.sha256, file]))
  return { listed: [...attached.map(({ entry }) => entry), ...held], sealed: [...sealed.values()], missing: lfs.missing }
}

/** What collected attachments add to the inventory. */
export function inventoryOf(collected: CollectedAttachments | null): Pick<Inventory, 'attachments' | 'lfsMissing'> {
  if (collected === null) return {}
  const lfsMissing = [...collected.missing].slice(0, lfsListedMax).map(([oid, { sizeBytes }]) => ({ oid, sizeBytes }))
  return { attachments: [...collected.listed], lfsMissing }
}

/**
 * Findings about files, now that it is known which LFS objects are there.
 *
 * @param findings - of the inventory, where every pointer is one.
 * @returns the same findings but for pointers, whose objects are there or missing; unchanged when nobody collected.
 */
export function withLfsFindings(
  findings: readonly Finding[],
  files: Pick<FileInventory, 'lfs'>,
  collected: CollectedAttachments | null,
): readonly Finding[] {
  if (collected === null) return findings
  const pathOf = new Map(files.lfs.map((file) => [file.oid, file.path]))
  const missing = [...collected.missing].map(([oid, { sizeBytes, reason }]): Finding => ({
    code: 'LFS_OBJECT_MISSING',
    severity: 'warning',
    subject: pathOf.get(oid) ?? oid,
    detail: `${sizeBytes} bytes, sha256 ${oid}: ${reason}`,
  }))
  return [...findings.filter((finding) => finding.code !== 'LFS_POINTER'), ...missing]
}

const notPushed =
  'it was not pushed: run `git lfs push --all <address of this push>` (with `git -c lfs.url=<address>/info/lfs` where an lfs.url is set), then push again'
const notAsked = 'LFS objects are fetched over http(s) and from local paths only'

class LfsCollection {
  readonly held: HeldAttachment[] = []
  readonly missing = new Map<string, { readonly sizeBytes: number; readonly reason: string }>()

  constructor(
    private readonly attempt: Attempt,
    private readonly archive: AttachmentArchive,
    private readonly signal?: AbortSignal,
  ) {}

  async run(objects: readonly LfsObject[], room: number): Promise<this> {
    const known = await this.archive.find(
      objects.map(({ oid }) => oid),
      this.signal,
    )
    for (const one of objects.slice(room)) this.miss(one, `a deposit names at most ${attachmentsMax} attachments`)
    const unknown: LfsObject[] = []
    for (const one of objects.slice(0, room)) {
      const held = known.get(one.oid)
      // A pointer may lie about the size of what the archive has under its digest; then nobody could check it out.
      if (held === undefined || held.plain.sizeBytes !== one.sizeBytes) unknown.push(one)
      else this.held.push(held)
    }
    await this.fetch(unknown)
    return this
  }

  private async fetch(objects: readonly LfsObject[]): Promise<void> {
    const nobody = this.attempt.listing.pushed === true ? notPushed : notAsked
    const lfs = objects.length === 0 ? undefined : await this.server()
    for (let at = 0; at < objects.length; at += lfsBatchMax) {
      const batch = objects.slice(at, at + lfsBatchMax)
      if (lfs === undefined || typeof lfs === 'string') {
        for (const one of batch) this.miss(one, lfs ?? nobody)
        continue
      }
      const places = await lfs.locate(batch, this.signal).catch((error: unknown) => this.reasonOf(error))
      if (typeof places === 'string') {
        // It is asked again with the next deposit; a hundred more requests would end the same way.
        for (const one of objects.slice(at)) this.miss(one, places)
        return
      }
      await this.take(places)
    }
  }

  /** Whom to ask: the server that the repository names, where the rules for remotes allow it. @returns the reason when they do not. */
  private async server(): Promise<LfsRemote | string | undefined> {
    const { tools, listing, gitDir, chain } = this.attempt
    const own = tools.remote.lfs
    if (own === undefined) return undefined
    const commit = headOid(listing.head)
    const source = commit === null ? null : { gitDir, oidBytes: oidBytesOf(listing.objectFormat), commit }
    const named = await readLfsUrl(source, chain?.inventory.lfsUrl ?? null, this.signal)
    if (named === null) return own
    try {
      return own.namedAs(named)
    } catch (error) {
      return `.lfsconfig names a server that is not allowed: ${this.reasonOf(error)}`
    }
  }

  /** Some at a time: one small object after the other would wait for the network most of the time. */
  private async take(places: readonly LfsPlace[]): Promise<void> {
    const queue = places.values()
    let failing = false
    const turns = Array.from({ length: lfsAtOnce }, async () => {
      for (const place of queue) {
        if (failing) return
        await this.takeOne(place).catch((error: unknown) => {
          failing = true
          throw error
        })
      }
    })
    // A file must not be removed under one that still writes.
    const ended = await Promise.allSettled(turns)
    const failed = ended.find((turn) => turn.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  private async takeOne(place: LfsPlace): Promise<void> {
    const { object } = place
    if ('reason' in place) return this.miss(object, place.reason)
    const { folder, request, plan, tools } = this.attempt
    const expected = { sha256: object.oid, sizeBytes: object.sizeBytes }
    const kept = await this.archive
      .keep({ bytes: place.open(this.signal), expected }, { folder, retainUntil: request.retainUntil(plan.kind) }, this.signal)
      .catch((error: unknown) => this.reasonOf(error))
    if (typeof kept === 'string') return this.miss(object, kept)
    this.held.push(kept)
    tools.onProgress?.({ phase: 'collecting', objects: this.held.length })
  }

  private miss({ oid, sizeBytes }: LfsObject, reason: string): void {
    this.missing.set(oid, { sizeBytes, reason })
  }

  /** What the remote did wrong is a finding; what is wrong with us ends the attempt. */
  private reasonOf(error: unknown): string {
    this.signal?.throwIfAborted()
    if (isEscrowError(error) && /^(?:REMOTE_|DIGEST_MISMATCH$|DEPOSIT_TOO_LARGE$)/.test(error.code)) return error.message
    throw error
  }
}
