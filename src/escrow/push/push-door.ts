import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, unreachable } from '../../core/errors.js'
import { attachmentsMax } from '../../core/limits.js'
import { sha256Hex } from '../../crypto/digest.js'
import { keyidOf } from '../../crypto/dsse.js'
import { Database } from '../../db/database.js'
import type { PreviousDeposit } from '../../deposit/deposit-request.js'
import { fullDue } from '../../deposit/full-due.js'
import type { DepositMode } from '../../format/agreement.js'
import { Slug } from '../../format/ids.js'
import type { Inventory } from '../../format/manifest.js'
import type { ObjectFormat } from '../../git/git-remote.js'
import type { Viewer } from '../../http/viewer.js'
import { Agent } from '../agent.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { findCurrentEpoch, type VaultEpochRow } from '../archive/agreement.table.js'
import { AttachmentKeeper, type AttachmentPlace } from '../basis/attachment-keeper.js'
import type { SourceKey } from '../archive/lease.table.js'
import { ReadPreviousDeposit } from '../basis/previous-deposit.js'
import type { PushBasis } from './push-plan.js'
import { requireQuota } from '../require-quota.js'
import { findSource, type SourceRow } from '../archive/source.table.js'

/** What the address of a push names: `/git/<agreement>/<source>.git`. */
export interface PushAddress {
  readonly agreement: string
  /** With its `.git`, or without: forges take both. */
  readonly repository: string
}

/** A source that its depositor may push to. */
export interface PushSource {
  readonly known: KnownAgreement
  readonly key: SourceKey
  readonly row: SourceRow
  /** As the address says; null for that of the newest deposit. */
  readonly objectFormat: ObjectFormat | null
}

/** Says who may push where, and what a push there begins with. */
@Injectable()
export class PushDoor {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(ReadPreviousDeposit) private readonly previous: ReadPreviousDeposit,
    @Inject(AttachmentKeeper) private readonly attachments: AttachmentKeeper,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /**
   * The source that an address names.
   *
   * @param address - attacker-controlled.
   * @throws EscrowError `NOT_FOUND`, also for what is not this depositor's; `VAULT_NOT_ARMED`; `PUSH_REFUSED` for a source that is not pushed
   */
  async open(viewer: Viewer, address: PushAddress): Promise<PushSource> {
    const [, source = '', format] = /^([^.]+)(?:\.(sha1|sha256))?(?:\.git)?$/.exec(address.repository) ?? []
    const found = await this.find(viewer, { agreement: address.agreement, source }, 'push')
    return { ...found, objectFormat: format === 'sha1' || format === 'sha256' ? format : null }
  }

  /** The source that its depositor seals deposits of. @throws EscrowError as `open` */
  async openSealed(
    viewer: Viewer,
    address: { readonly agreement: string; readonly source: string },
  ): Promise<Pick<PushSource, 'key' | 'known'>> {
    return this.find(viewer, address, 'sealed')
  }

  /** The source that its depositor attaches files to, whatever its mode, and the vault of now. @throws EscrowError as `open` */
  async openAttached(
    viewer: Viewer,
    address: { readonly agreement: string; readonly source: string },
  ): Promise<Omit<PushSource, 'objectFormat'> & { readonly vault: VaultEpochRow }> {
    const found = await this.find(viewer, address, null)
    return { ...found, vault: await this.vaultOf(found.key) }
  }

  /** @param mode - null for any. */
  private async find(
    viewer: Viewer,
    { agreement, source }: { readonly agreement: string; readonly source: string },
    mode: DepositMode | null,
  ): Promise<Omit<PushSource, 'objectFormat'>> {
    const known = await this.agreementOf(viewer, agreement)
    const key = { agreementId: agreement, source }
    const row = known === null || !Slug.safeParse(source).success ? null : await this.database.query((db) => findSource(db, key))
    if (known === null || row === null)
      throw new EscrowError('NOT_FOUND', `no source of yours is at ${agreement.slice(0, 100)}/${source.slice(0, 100)}`)
    if (mode !== null && row.mode !== mode)
      throw new EscrowError('PUSH_REFUSED', `source ${source} takes no such deposit: the agreement says ${row.mode}, ${howOf(row.mode)}`)
    if (known.row.state !== 'armed')
      throw new EscrowError('VAULT_NOT_ARMED', `expected the vault of ${agreement} to be armed, it is ${known.row.state}`)
    if (row.state !== 'active') throw new EscrowError('PUSH_REFUSED', `source ${source} takes no deposits: it is ${row.state}`)
    return { known, key, row }
  }

  /** Whether the agreement may deposit more today. @throws EscrowError `QUOTA_EXCEEDED` */
  async requireRoom({ agreementId }: Pick<SourceKey, 'agreementId'>): Promise<void> {
    await requireQuota({ database: this.database, agent: this.agent }, agreementId)
  }

  /** What answers here, and its version. */
  get software(): string {
    return `reduit/${this.agent.options.version}`
  }

  /** When a push arrives. */
  now(): Date {
    return this.agent.clock.now()
  }

  /** What a push is compared with. @throws EscrowError `OBJECT_*`, `STORE_*`, `VAULT_NOT_ARMED` */
  async basis(source: PushSource, signal?: AbortSignal): Promise<PushBasis> {
    const { known, key } = source
    const row = await this.database.query((db) => findSource(db, key))
    const epoch = await this.vaultOf(key)
    if (row === null) throw new EscrowError('NOT_FOUND', `agreement ${key.agreementId} has no source ${key.source}`)
    const previous = await this.previous.run(known, key, signal)
    const inventory = previous === null ? null : (await previous.open()).inventory
    const objectFormat = source.objectFormat ?? previous?.manifest.objectFormat ?? 'sha1'
    return {
      objectFormat,
      refs: previous === null ? [] : (inventory?.refs ?? null),
      head: inventory?.head ?? { kind: 'none' },
      manifestDigest: previous?.manifestDigest ?? null,
      fullReason: fullReason({ row, previous, inventory, recipient: epoch.recipient, objectFormat, now: this.agent.clock.now() }),
      attachmentsWait:
        (await this.attachments.waiting({ key, vault: epoch })).length > 0 ||
        (previous !== null && (await this.lfsCame({ known, key, vault: epoch }, { previous, inventory }, signal))),
    }
  }

  /** An LFS object that the newest deposit lacks was sent since. What has no room in a deposit is no reason for another one. */
  private async lfsCame(
    place: AttachmentPlace,
    { previous, inventory }: { readonly previous: PreviousDeposit; readonly inventory: Inventory | null },
    signal?: AbortSignal,
  ): Promise<boolean> {
    const missing = inventory?.lfsMissing ?? []
    if (previous.manifest.attachments.length >= attachmentsMax) return false
    const oids = missing.map(({ oid }) => oid)
    const held = await this.attachments.find(place, oids, signal)
    return missing.some(({ oid, sizeBytes }) => held.get(oid)?.plain.sizeBytes === sizeBytes)
  }

  private async vaultOf({ agreementId }: SourceKey): Promise<VaultEpochRow> {
    const epoch = await this.database.query((db) => findCurrentEpoch(db, agreementId))
    if (epoch !== null) return epoch
    throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${agreementId} has no armed epoch`)
  }

  /** The agreement, if the viewer's key is pinned in it as a depositor's. */
  private async agreementOf(viewer: Viewer, agreementId: string): Promise<KnownAgreement | null> {
    try {
      const known = await this.shelf.get(agreementId)
      const keys = known.signed.body.parties.filter((party) => party.role === 'depositor').flatMap((party) => party.keys)
      const isDepositor = keys.some((key) => sha256Hex(Buffer.from(keyidOf(key))) === viewer.fingerprint)
      return viewer.role === 'depositor' && isDepositor ? known : null
    } catch (error) {
      if (error instanceof EscrowError && error.code === 'NOT_FOUND') return null
      throw error
    }
  }
}

/** For who came to the wrong door. */
function howOf(mode: DepositMode): string {
  switch (mode) {
    case 'push':
      return 'so run git push'
    case 'sealed':
      return 'so run `escrow deposit --sealed --url`'
    case 'pull':
      return 'so the service fetches it'
    default:
      return unreachable(mode)
  }
}

/** Why everything is asked for; null when what is new will do. */
function fullReason(on: {
  readonly row: SourceRow
  readonly previous: PreviousDeposit | null
  readonly inventory: Inventory | null
  readonly recipient: string
  readonly objectFormat: ObjectFormat
  readonly now: Date
}): string | null {
  const { row, previous } = on
  if (previous === null) return 'this source has no deposit yet'
  if (fullDue(row, on.now) !== null) return 'a full deposit is due'
  if (on.inventory === null) return 'the names in the newest deposit cannot be read any more'
  if (previous.manifest.objectFormat !== on.objectFormat) return `the object format was ${previous.manifest.objectFormat}`
  if (previous.manifest.envelope.recipient !== on.recipient) return 'the vault has a new epoch'
  // The push before this one rested on what the archive does not hold.
  return row.failureCode === 'FULL_NEEDED' ? 'the archive lacks what the last push rested on' : null
}
