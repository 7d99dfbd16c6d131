import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemClock } from '../../../core/environment.js'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import type { PreparedDeposit, PreviousDeposit } from '../../../deposit/deposit-request.js'
import { Manifest } from '../../../format/manifest.js'
import { openAgreement, partyOf, requireSignatures } from '../../../format/signed-agreement.js'
import { readUnverified } from '../../../format/signed-document.js'
import type { RefListing } from '../../../git/git-remote.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { findingRows } from '../../finding-rows.js'
import { withFolderLock } from '../../folder-lock.js'
import { freshFolder, readNamedFile, writeNamedFile } from '../../files.js'
import { seal, type SealedOrNot, type Sealing, type SealOptions } from './holder-seal.js'
import { isSpent, sendDeposit, type SentDeposit } from './holder-send.js'
import { acceptedName, DepositorState } from './holder-state.js'
import { fetchVersion } from '../../service/fetch-agreement.js'
import { fetchNewestManifest } from '../../service/fetch-deposit.js'
import type { ServiceAddress } from '../../service/service-http.js'
import { sendStatement } from '../../service/http-door.js'
import { openPartyFolder } from '../../party/party-folder.js'
import { signStated } from './holder-stated.js'
import { formatBytes, formatCount } from '../../terminal.js'

type GivenOptions = Omit<SealOptions, 'out' | 'service'> & {
  readonly agreement: string
  readonly out?: string
  readonly receipt?: string
}

/** With the folder for the sealed deposit. */
type DepositOptions = GivenOptions & Pick<SealOptions, 'out' | 'service'> & { readonly isOwnOut: boolean }

/** What one run works with. */
type Depositing = Sealing & { readonly options: DepositOptions }

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
async function sealNext(
  context: CommandContext,
  sealing: Omit<Depositing, 'state' | 'previous'>,
  repository: string,
): Promise<CommandResult> {
  const { options, agreement } = sealing
  const state = new DepositorState(options.state, { agreement, source: options.source })
  await state.settle(options.receipt)
  const { service } = options
  if (service !== null) await sendPending(context, state, service)
  const previous = (await state.previous()) ?? (service === null ? null : await goOn(context, sealing, { state, service }))
  // Below the state it is ours, and whatever lies there was accepted or is nothing.
  if (options.isOwnOut) await rm(options.out, { recursive: true, force: true })
  await freshFolder(options.out)
  const result = await sealInto(context, { ...sealing, state, previous }, repository)
  if (result.outcome === 'unchanged') {
    const noted = service === null || previous === null ? false : await sayUnchanged(context, { ...sealing, state, previous }, result)
    return unchanged(options.source, previous, noted)
  }
  // If we stop after this, the next run sends it.
  return present(options, result.deposit, service === null ? null : await sendNew(context, state, { ...service, folder: options.out }))
}

/** What the service will never take is not sent again by the next run. */
async function sendNew(
  context: CommandContext,
  state: DepositorState,
  to: ServiceAddress & { readonly folder: string },
): Promise<SentDeposit> {
  try {
    return await send(context, state, to)
  } catch (error) {
    if (isSpent(error)) await state.forgetOffered()
    throw error
  }
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
async function sendPending(context: CommandContext, state: DepositorState, to: ServiceAddress): Promise<void> {
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

/**
 * We remember nothing: this is the first deposit, or the state is lost, as in a CI that keeps no folder from one run to the next. Then the newest
 * deposit is what the service says it is, if the agent has signed it: a depositor that forgets cannot know better. It may be from before any number
 * of amendments.
 */
async function goOn(
  context: CommandContext,
  { agreement, options }: Omit<Depositing, 'state' | 'previous'>,
  { state, service }: { readonly state: DepositorState; readonly service: ServiceAddress },
): Promise<PreviousDeposit | null> {
  const wish = { agreement: agreement.body.agreement, source: options.source }
  // While the service is away the deposit is sealed as a first one, and waits.
  const accepted = await fetchNewestManifest(service, wish, context.signal).catch((error: unknown) => {
    if (isEscrowError(error, 'SERVICE_UNREACHABLE')) return null
    throw error
  })
  if (accepted === null) return null
  const { agreement: digest } = readUnverified(accepted, Manifest, 'accepted manifest')
  await state.goOnBehind(accepted, await fetchVersion(service, { newest: agreement, digest }, context.signal))
  return state.previous()
}

/** Nothing is new, and the service learns it from the depositor alone: it cannot look. @returns true */
async function sayUnchanged(context: CommandContext, sealing: Depositing, { listing }: { readonly listing: RefListing }): Promise<boolean> {
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
  to: ServiceAddress & { readonly folder: string },
): Promise<SentDeposit> {
  const onBytes = (done: number, total: number) => context.progress({ phase: 'sending', done, total, unit: 'bytes' })
  const sent = await sendDeposit({ ...to, onBytes }, context.signal)
  // What the service says is believed when the agent's signature holds.
  await writeNamedFile(join(to.folder, acceptedName), sent.accepted)
  await state.settle()
  return sent
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
    ...(manifest.attachments.length === 0 ? [] : [['attachments', attachmentWords(manifest.attachments)] as [string, string]]),
    ...findingRows(manifest.findings, findings),
    ...(sent === null ? [['send', `${options.out} to the operator (escrow receive)`] as [string, string]] : wordsOn(sent)),
  ])
  const received = sent === null ? {} : { deposit: sent.depositId, receipt: sent.receipt }
  const outcome = sent === null ? 'sealed' : 'received'
  return { json: { outcome, source: manifest.source, sequence, kind, manifest, findings, out: options.out, ...received }, lines }
}

function attachmentWords(attachments: readonly { readonly sizeBytes: number }[]): string {
  const sizeBytes = attachments.reduce((sum, file) => sum + file.sizeBytes, 0)
  return `${formatCount(attachments.length)}, sealed ${formatBytes(sizeBytes)}`
}

function wordsOn({ depositId, receipt }: SentDeposit): [string, string][] {
  return [
    ['received', `${depositId}, countersigned`],
    ['receipt', receipt ?? 'follows as soon as the log is published'],
  ]
}
