import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { packBytesMaxDefault, signedDocumentBytesMax } from '../core/limits.js'
import type { DepositProgress } from '../deposit/progress.js'
import type { DepositRequest, DepositTools, PreparedDeposit, PreviousDeposit } from '../deposit/deposit-request.js'
import { fullDue } from '../deposit/full-due.js'
import { inventoryRecipients } from '../deposit/inventory-recipients.js'
import { prepareDeposit } from '../deposit/prepare-deposit.js'
import type { Source } from '../format/agreement.js'
import { knownObjectsKeyOf } from '../format/known-objects.js'
import { Manifest } from '../format/manifest.js'
import { epochOf, openAgreement, partyOf, requireSignatures, type SignedAgreement } from '../format/signed-agreement.js'
import { signDocument } from '../format/signed-document.js'
import { DepositStatement } from '../format/statement.js'
import type { RefListing } from '../git/git-remote.js'
import { FsLogHeadStore } from '../store/fs-log-head-store.js'
import { FsObjectStore } from '../store/fs-object-store.js'
import { makeStoreFolder } from '../store/fs-store-folder.js'
import { objectKeys } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import { requireEvery } from '../store/replica.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { withFolderLock } from './folder-lock.js'
import { freshFolder, readNamedFile, writeNamedFile } from './files.js'
import { isSpent, sendDeposit, type SentDeposit } from './holder-send.js'
import { siblingsIn } from './holder-siblings.js'
import { acceptedName, DepositorState } from './holder-state.js'
import { SealDiscloser } from './disclose-seal.js'
import { sendStatement } from './http-door.js'
import { openOwnRemote } from './own-remote.js'
import { openPartyFolder, readKnownObjectsSecret, type PartyFolder } from './party-folder.js'
import { signStated } from './holder-stated.js'
import { firstFieldsOf } from './statement-fields.js'
import { formatBytes, formatCount, inTerminal } from './terminal.js'
import { softwareVersion } from './version.js'

interface GivenOptions {
  readonly as: string
  readonly agreement: string
  readonly source: string
  readonly state: string
  readonly out?: string
  readonly full: boolean
  readonly discloseTo?: string
  readonly receipt?: string
  readonly epoch?: number
  readonly annex?: string
}

/** With the folder for the sealed deposit, and where it goes from there; null for a person's hands. */
type DepositOptions = GivenOptions & {
  readonly out: string
  readonly isOwnOut: boolean
  readonly service: { readonly url: string; readonly tokenFile: string } | null
}

/** Days that the operator may take to receive it. */
const offerDays = 90

/** As `prepareDeposit` says. */
type SealedOrNot = Awaited<ReturnType<typeof prepareDeposit>>

/** What one sealed deposit is made with. */
interface Sealing {
  readonly options: DepositOptions
  readonly agreement: SignedAgreement
  readonly source: Source
  readonly party: PartyFolder
  readonly state: DepositorState
  readonly previous: PreviousDeposit | null
}

/**
 * Take a deposit at the depositor: list, fetch, check and seal here, with the same code as a worker, into a folder for `escrow receive`, or
 * with `--url` on to the service. What an earlier run had sealed and not sent whole is sent first.
 *
 * @returns `unchanged` when there is nothing new since the deposit that the agent has accepted last.
 * @throws EscrowError as `prepareDeposit`; `FOLDER_NOT_EMPTY`; `HOME_LOCKED` while another deposit works with `--state`; `ARGUMENT_INVALID` when the source is not of
 *   mode sealed. `--out` is gone then
 */
export async function depositSealed(context: CommandContext, given: GivenOptions, repository: string): Promise<CommandResult> {
  const options = whereTo(given, context.service)
  const party = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const { role } = partyOf(agreement.body, party.card.party)
  const source = agreement.body.sources.find((known) => known.source === options.source)
  if (role !== 'depositor')
    throw new EscrowError('ARGUMENT_INVALID', `expected the keys of the depositor, got those of ${party.card.party}, a ${role}`)
  if (source?.mode !== 'sealed') {
    throw new EscrowError(
      'ARGUMENT_INVALID',
      `expected a source ${options.source} of mode sealed in the agreement, got ${source?.mode ?? 'none'}`,
    )
  }
  return withFolderLock(options.state, () => sealNext(context, { options, agreement, source, party }, repository))
}

/** Two at once would take the same number, and the later one forget what the earlier had sealed. */
async function sealNext(context: CommandContext, sealing: Omit<Sealing, 'state' | 'previous'>, repository: string): Promise<CommandResult> {
  const { options, agreement } = sealing
  const state = new DepositorState(options.state, { agreement, source: options.source })
  await state.settle(options.receipt)
  const { service } = options
  if (service !== null) await sendPending(context, state, service)
  const previous = await state.previous()
  // Below the state it is ours, and whatever lies there was accepted or is nothing.
  if (options.isOwnOut) await rm(options.out, { recursive: true, force: true })
  await freshFolder(options.out)
  const result = await sealInto(context, { ...sealing, state, previous }, repository)
  if (result.outcome === 'unchanged') {
    const noted = service === null || previous === null ? false : await sayUnchanged(context, { ...sealing, state, previous }, result)
    return unchanged(options.source, previous, noted)
  }
  // If we stop after this, the next run sends it.
  return present(options, result.deposit, service === null ? null : await send(context, state, { ...service, folder: options.out }))
}

/** `--out` is gone when nothing is new, and when this fails. */
async function sealInto(context: CommandContext, sealing: Sealing, repository: string): Promise<SealedOrNot> {
  const { out } = sealing.options
  try {
    const result = await seal(context, sealing, repository)
    if (result.outcome === 'unchanged') await rm(out, { recursive: true, force: true })
    return result
  } catch (error) {
    await rm(out, { recursive: true, force: true })
    throw error
  }
}

function whereTo(given: GivenOptions, service: CommandContext['service']): DepositOptions {
  const { out } = given
  if (service === null && out === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected --out, or --url and --token-file')
  return { ...given, out: out ?? join(given.state, 'outbox'), isOwnOut: out === undefined, service }
}

/** What was sealed before and never accepted goes first; what the service does not want never happened. */
async function sendPending(
  context: CommandContext,
  state: DepositorState,
  to: { readonly url: string; readonly tokenFile: string },
): Promise<void> {
  const folder = await state.pending()
  if (folder === null) return
  try {
    await send(context, state, { ...to, folder })
  } catch (error) {
    // A run that stopped before its manifest was written has offered nothing.
    if (!isSpent(error) && !isEscrowError(error, 'NOT_FOUND')) throw error
    await state.forgetOffered()
  }
  await rm(folder, { recursive: true, force: true })
}

/** Nothing is new, and the service learns it from the depositor alone: it cannot look. @returns true */
async function sayUnchanged(context: CommandContext, sealing: Sealing, { listing }: { readonly listing: RefListing }): Promise<boolean> {
  const { options, party, agreement, previous } = sealing
  if (options.service === null || previous === null) return false
  const { epoch } = previous.manifest.envelope
  const bytes = signStated({ party, agreement }, { source: options.source, epoch, takenAt: new SystemClock().now(), listing })
  const file = join(options.state, 'unchanged.json')
  await writeNamedFile(file, bytes)
  const { outcomes } = await sendStatement(options.service, context.signal, { bytes, file })
  const refused = outcomes.find(({ code }) => code !== null)
  if (refused === undefined) return true
  throw new EscrowError('STATEMENT_DIFFERS', refused.words ?? 'the service holds another deposit')
}

async function send(
  context: CommandContext,
  state: DepositorState,
  to: { readonly url: string; readonly tokenFile: string; readonly folder: string },
): Promise<SentDeposit> {
  const onBytes = (done: number, total: number) => context.progress({ phase: 'sending', done, total, unit: 'bytes' })
  const sent = await sendDeposit({ ...to, onBytes }, context.signal)
  // What the service says is believed when the agent's signature holds.
  await writeNamedFile(join(to.folder, acceptedName), sent.accepted)
  await state.settle()
  return sent
}

async function seal(context: CommandContext, sealing: Sealing, repository: string): Promise<SealedOrNot> {
  const { options, state } = sealing
  const [clock, entropy] = [new SystemClock(), new SystemEntropy()]
  await makeStoreFolder(options.out)
  const store = new FsObjectStore(options.out, clock, entropy)
  const replicas = new ReplicaSet([
    { name: 'outbox', store, heads: new FsLogHeadStore(options.out, entropy), country: 'ZZ', control: 'ZZ' },
  ])
  const own = openOwnRemote(repository)
  const secret = await readKnownObjectsSecret(options.as)
  const discloser = options.discloseTo === undefined ? null : await SealDiscloser.open(options.discloseTo, options.state)
  try {
    const tools: DepositTools = {
      remote: own.remote,
      replicas,
      clock,
      entropy,
      knownObjectsKey: knownObjectsKeyOf(secret, sealing.agreement.body.agreement, options.source),
      // Plaintext may be here: the repository itself is.
      scratch: { root: join(options.state, 'scratch'), ephemeral: true },
      version: softwareVersion(),
      ...(discloser === null ? {} : { onSealed: (secrets) => discloser.hold(secrets) }),
      onProgress: (progress: DepositProgress) => context.progress(inTerminal(options.source, progress)),
    }
    const request = { ...requestOf(sealing, { url: own.url, now: clock.now() }), ...(await siblingsIn(sealing.options.annex, sealing)) }
    const result = await prepareDeposit(request, tools, context.signal)
    if (result.outcome === 'unchanged') return result
    await offer(sealing, { deposit: result.deposit, replicas, now: clock.now() }, context.signal)
    await state.offered(result.deposit, options.out)
    await writeManifest(sealing, { deposit: result.deposit, replicas, now: clock.now() }, context.signal)
    await discloser?.disclose(result.deposit.manifest)
    return result
  } finally {
    secret.fill(0)
    discloser?.wipe()
    own.close()
  }
}

function requestOf({ options, agreement, source, previous }: Sealing, at: { readonly url: string; readonly now: Date }): DepositRequest {
  const { body, digest } = agreement
  const epoch = epochOf(body, options.epoch ?? body.vault.epochs[0]?.epoch ?? 1)
  return {
    agreement: body.agreement,
    agreementDigest: digest,
    source: source.source,
    mode: 'sealed',
    url: at.url,
    vault: { recipient: epoch.recipient, epoch: epoch.epoch, exposed: false },
    inventoryRecipients: inventoryRecipients(body, { vault: epoch.recipient, mode: 'sealed' }),
    previous,
    full: options.full || fullDue({ ...source, ...chainOf(previous) }, at.now) !== null,
    // The outbox is a folder of ours, on its way to be sent; locks begin where it is stored.
    retainUntil: () => at.now,
    packBytesMax: packBytesMaxDefault,
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

function unchanged(source: string, previous: PreviousDeposit | null, noted: boolean): CommandResult {
  const sequence = previous?.manifest.sequence ?? 0
  return {
    json: { outcome: 'unchanged', source, sequence, noted },
    lines: [`${source}: unchanged since deposit ${sequence}${noted ? '; the service has noted it' : ''}`],
  }
}

function present(options: DepositOptions, { manifest, findings }: PreparedDeposit, sent: SentDeposit | null): CommandResult {
  const { bundle, envelope, sequence, kind } = manifest
  const lines = columns([
    ['deposit', `${sequence}, ${kind}, of ${manifest.source}`],
    ['refs', formatCount(manifest.refCount)],
    ['objects', `${formatCount(bundle.objectCount)} in ${formatBytes(bundle.sizeBytes)}`],
    ['sealed', `${formatBytes(envelope.sizeBytes)} to ${envelope.recipient.slice(0, 16)}..., epoch ${envelope.epoch}`],
    ...findings.map(({ code, severity, subject }): [string, string] => ['finding', `${severity}: ${code} ${subject}`]),
    ...(sent === null ? [['send', `${options.out} to the operator (escrow receive)`] as [string, string]] : wordsOn(sent)),
  ])
  const received = sent === null ? {} : { deposit: sent.depositId, receipt: sent.receipt }
  const outcome = sent === null ? 'sealed' : 'received'
  return { json: { outcome, source: manifest.source, sequence, kind, manifest, findings, out: options.out, ...received }, lines }
}

function wordsOn({ depositId, receipt }: SentDeposit): [string, string][] {
  return [
    ['received', `${depositId}, countersigned`],
    ['receipt', receipt ?? 'follows as soon as the log is published'],
  ]
}
