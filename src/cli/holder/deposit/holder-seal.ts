// One sealed deposit in the making: everything between the repository and a folder that is signed and whole. Nothing here leaves the machine.
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { packBytesMaxDefault } from '../../../core/limits.js'
import { attachedFiles, type SealedAttachment } from '../../../deposit/carry-attached.js'
import type { DepositRequest, DepositTools, PreparedDeposit, PreviousDeposit } from '../../../deposit/deposit-request.js'
import { fullDue } from '../../../deposit/full-due.js'
import { inventoryRecipients } from '../../../deposit/inventory-recipients.js'
import { prepareDeposit } from '../../../deposit/prepare-deposit.js'
import type { DepositProgress } from '../../../deposit/progress.js'
import { withScratch } from '../../../deposit/scratch.js'
import type { Source } from '../../../format/agreement.js'
import type { InventoryAttachment } from '../../../format/attachment.js'
import { canonicalize } from '../../../format/canonical-json.js'
import { knownObjectsKeyOf } from '../../../format/known-objects.js'
import { Manifest, type Inventory } from '../../../format/manifest.js'
import { epochOf, type SignedAgreement } from '../../../format/signed-agreement.js'
import { signDocument } from '../../../format/signed-document.js'
import { DepositStatement } from '../../../format/statement.js'
import { objectKeys } from '../../../store/object-key.js'
import type { ReplicaSet } from '../../../store/replica-set.js'
import { requireEvery } from '../../../store/replica.js'
import type { CommandContext } from '../../command.js'
import { SealDiscloser } from './disclose-seal.js'
import { fileToAttach, parseAttach } from '../../file-to-attach.js'
import { AttachmentOutbox } from './holder-outbox.js'
import { siblingsIn } from './holder-siblings.js'
import type { DepositorState } from './holder-state.js'
import { openOwnRemote } from './own-remote.js'
import { sendAhead } from './send-ahead.js'
import type { ServiceAddress } from '../../service/service-http.js'
import { readKnownObjectsSecret, type PartyFolder } from '../../party/party-folder.js'
import { firstFieldsOf } from '../../party/statement-fields.js'
import { inTerminal } from '../../terminal.js'
import { softwareVersion } from '../../version.js'

/** Days that the operator may take to receive it. */
const offerDays = 90

/** As `prepareDeposit` says. */
export type SealedOrNot = Awaited<ReturnType<typeof prepareDeposit>>

/** What one sealed deposit is made with. */
export interface Sealing {
  readonly options: SealOptions
  readonly agreement: SignedAgreement
  readonly source: Source
  readonly party: PartyFolder
  readonly state: DepositorState
  readonly previous: PreviousDeposit | null
}

/** What the command line says of the deposit itself. */
export interface SealOptions {
  readonly as: string
  readonly source: string
  readonly state: string
  readonly out: string
  /** Where it goes from there; null for a person's hands. */
  readonly service: ServiceAddress | null
  readonly full: boolean
  /** False: the repository is trusted. */
  readonly fsck: boolean
  readonly attach?: readonly string[]
  readonly discloseTo?: string
  readonly epoch?: number
  readonly annex?: string
}

/**
 * Take and seal a deposit with everything that belongs to it, into the folder `out`.
 *
 * @param repository - a path or a URL.
 * @throws EscrowError as `prepareDeposit`; `ARGUMENT_INVALID`, `FILE_UNREADABLE` for files to attach. What lies in the folder then is nothing
 */
export async function seal(context: CommandContext, sealing: Sealing, repository: string): Promise<SealedOrNot> {
  const { options, state, agreement } = sealing
  const [clock, entropy] = [new SystemClock(), new SystemEntropy()]
  const place = { agreement: agreement.body.agreement, source: options.source, vault: vaultOf(sealing) }
  const outbox = await AttachmentOutbox.open(options.out, place, await state.contents())
  const { replicas } = outbox
  const own = openOwnRemote(repository)
  if (!options.fsck && own.remote.folder === undefined)
    throw new EscrowError('ARGUMENT_INVALID', 'expected a repository on this machine with --no-fsck, got a URL')
  const secret = await readKnownObjectsSecret(options.as)
  const discloser = options.discloseTo === undefined ? null : await SealDiscloser.open(options.discloseTo, options.state)
  try {
    const tools: DepositTools = {
      remote: own.remote,
      replicas,
      attachments: outbox,
      clock,
      entropy,
      knownObjectsKey: knownObjectsKeyOf(secret, sealing.agreement.body.agreement, options.source),
      // Plaintext may be here: the repository itself is.
      scratch: { root: join(options.state, 'scratch'), ephemeral: true },
      version: softwareVersion(),
      ...(discloser === null ? {} : { onSealed: (secrets) => discloser.hold(secrets) }),
      ...followedBy(options.service),
      onProgress: (progress: DepositProgress) => context.progress(inTerminal(options.source, progress)),
    }
    const beside = { ...(await siblingsIn(options.annex, sealing)), ...(await attachedTo(context, sealing, outbox)) }
    const request = { ...requestOf(sealing, { url: own.url, now: clock.now() }), ...beside }
    const result = await prepareDeposit(request, tools, context.signal)
    if (result.outcome === 'unchanged') return result
    await offer(sealing, { deposit: result.deposit, replicas, now: clock.now() }, context.signal)
    await state.offered(result.deposit, { out: options.out, contents: outbox.contents() })
    await writeManifest(sealing, { deposit: result.deposit, replicas, now: clock.now() }, context.signal)
    await discloser?.disclose(result.deposit.manifest)
    return result
  } finally {
    secret.fill(0)
    discloser?.wipe()
    own.close()
  }
}

function followedBy(service: ServiceAddress | null): Pick<DepositTools, 'follow'> {
  return service === null ? {} : { follow: (key, file, signal) => sendAhead(service, key, file, signal) }
}

function vaultOf({ options, agreement }: Pick<Sealing, 'options' | 'agreement'>) {
  const { recipient, epoch } = epochOf(agreement.body, options.epoch ?? agreement.body.vault.epochs[0]?.epoch ?? 1)
  return { recipient, epoch }
}

/** The files that the command line names, sealed, beside those of the deposit before. */
async function attachedTo(
  context: CommandContext,
  sealing: Sealing,
  outbox: AttachmentOutbox,
): Promise<Pick<DepositRequest, 'attached' | 'attachmentsWait'>> {
  const { options, previous } = sealing
  const named = (options.attach ?? []).map(parseAttach)
  const fresh: SealedAttachment[] = []
  for (const one of named) {
    const file = await fileToAttach(context, one)
    fresh.push(await withScratch(join(options.state, 'scratch'), (folder) => outbox.attach(file, folder, context.signal)))
  }
  const attached = (inventory: Inventory | null) =>
    attachedFiles(previous === null ? null : { manifest: previous.manifest, inventory }, vaultOf(sealing), fresh)
  const textOf = (entry: InventoryAttachment) => Buffer.from(canonicalize(entry)).toString('utf8')
  const before = new Set((await previous?.open())?.inventory?.attachments?.map(textOf))
  // Every run of a job may name the same files: only what is new is a reason for a deposit.
  const attachmentsWait = fresh.some(({ entry }) => !before.has(textOf(entry)))
  return { attached, attachmentsWait }
}

function requestOf({ options, agreement, source, previous }: Sealing, at: { readonly url: string; readonly now: Date }): DepositRequest {
  const { body, digest } = agreement
  const vault = vaultOf({ options, agreement })
  return {
    agreement: body.agreement,
    agreementDigest: digest,
    source: source.source,
    mode: 'sealed',
    url: at.url,
    vault: { ...vault, exposed: false },
    inventoryRecipients: inventoryRecipients(body, { vault: vault.recipient, mode: 'sealed' }),
    previous,
    full: options.full || fullDue({ ...source, ...chainOf(previous) }, at.now) !== null,
    // The outbox is a folder of ours, on its way to be sent; locks begin where it is stored.
    retainUntil: () => at.now,
    packBytesMax: packBytesMaxDefault,
    noFsck: !options.fsck,
  }
}

function chainOf(previous: PreviousDeposit | null): { readonly fullAt: Date | null; readonly chainLength: number } {
  if (previous === null) return { fullAt: null, chainLength: 0 }
  const { sequence, base } = previous.manifest
  return { fullAt: previous.fullTakenAt ?? new Date(previous.manifest.takenAt), chainLength: sequence - base }
}

interface Outgoing {
  readonly deposit: PreparedDeposit
  readonly replicas: ReplicaSet
  readonly now: Date
}

/** Everything but the manifest, which makes it a finished offer. */
async function offer({ agreement, party }: Sealing, { deposit, replicas, now }: Outgoing, signal: AbortSignal): Promise<void> {
  const { manifest, place } = deposit
  const { source, takenAt, objectFormat, refsDigest, refCount, envelope, bundle } = manifest
  const fields = firstFieldsOf(agreement, { party, epoch: envelope.epoch, now, days: offerDays })
  const matter = { source, takenAt, objectFormat, refsDigest, refCount, packChecksum: bundle.packChecksum }
  const body = { type: 'escrow/statement/deposit-statement/v1' as const, ...fields, ...matter }
  const statement = signDocument({ body, schema: DepositStatement, key: party.signingKey })
  const documents = [deposit.inventory, deposit.knownObjects, { key: objectKeys.depositStatement(place), bytes: statement }]
  for (const { key, bytes } of documents) requireEvery(await replicas.putBytes(key, bytes, { retainUntil: now }, signal))
}

async function writeManifest({ party }: Sealing, { deposit, replicas, now }: Outgoing, signal: AbortSignal): Promise<void> {
  const bytes = signDocument({ body: deposit.manifest, schema: Manifest, key: party.signingKey })
  requireEvery(await replicas.putBytes(objectKeys.manifest(deposit.place), bytes, { retainUntil: now }, signal))
}
