// Attaches files over the network: sealed and checked here, sent in pieces. The service sees ciphertext, and what its inventory will say.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { withScratch } from '../../../deposit/scratch.js'
import type { AttachedFile } from '../../../format/attachment.js'
import { epochOf, openAgreement, requireSignatures } from '../../../format/signed-agreement.js'
import type { CommandContext } from '../../command.js'
import type { Attached, FileToAttach } from '../../file-to-attach.js'
import { exists, readNamedFile } from '../../files.js'
import { withFolderLock } from '../../folder-lock.js'
import { AttachmentOutbox, readContents, sealedPath, writeContents, type OutboxPlace } from './holder-outbox.js'
import { SendingDesk, type FileToSend } from './sending-desk.js'

const Arrived = z.object({ sizeBytes: z.number().int().min(0), held: z.boolean() })
const Taken = z.object({ waitUntil: z.iso.datetime() })

/** One age file on its way. */
export interface AttachmentToSend {
  readonly file: FileToSend
  /** SHA-256 of the file. */
  readonly digest: string
  /** Nothing for sealed sources, whose inventory their depositor makes. */
  readonly word: { readonly epoch?: number; readonly entry?: AttachedFile }
  readonly onBytes: (done: number) => void
}

/**
 * Seal files to the vault of a pinned agreement and send them. With `--state` an interrupted run goes on where it stopped; without it what was
 * sealed is gone with the command.
 *
 * @throws EscrowError `SIGNATURE_INVALID`, `NOT_FOUND` for an epoch that is none; `FILE_UNREADABLE`; as `AttachmentOutbox.attach`, `sendAttachment`
 */
export async function attachOverNetwork(
  context: CommandContext,
  options: {
    readonly service: NonNullable<CommandContext['service']>
    readonly agreement: string
    readonly source: string
    readonly epoch?: number
    readonly state?: string
  },
  files: readonly FileToAttach[],
): Promise<readonly Attached[]> {
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const { epoch, recipient } = epochOf(agreement.body, options.epoch ?? agreement.body.vault.epochs[0]?.epoch ?? 1)
  const place = { agreement: agreement.body.agreement, source: options.source, vault: { epoch, recipient } }
  const state = options.state ?? (await mkdtemp(join(tmpdir(), 'reduit-attach-')))
  try {
    return await withFolderLock(state, () => attachFrom(state, { context, service: options.service, place }, files))
  } finally {
    if (options.state === undefined) await rm(state, { recursive: true, force: true })
  }
}

async function attachFrom(
  state: string,
  on: { readonly context: CommandContext; readonly service: NonNullable<CommandContext['service']>; readonly place: OutboxPlace },
  files: readonly FileToAttach[],
): Promise<readonly Attached[]> {
  const { context, service, place } = on
  const [folder, list] = [join(state, 'outbox'), join(state, 'contents.json')]
  const known = (await readContents(list)).map(async (one) => ((await exists(sealedPath(folder, place, one.sealed.sha256))) ? [one] : []))
  const outbox = await AttachmentOutbox.open(folder, place, (await Promise.all(known)).flat())
  const attached: Attached[] = []
  let desk: SendingDesk | null = null
  for (const file of files) {
    const { entry, sealed } = await withScratch(join(state, 'scratch'), (scratch) => outbox.attach(file, scratch, context.signal))
    // If we stop after this, the next run sends the same age file.
    await writeContents(list, outbox.contents())
    desk ??= await SendingDesk.open(service, `v1/agreements/${place.agreement}/sources/${place.source}`, context.signal)
    const onBytes = (done: number) => context.progress({ phase: `sending ${file.name}`, done, total: sealed.sizeBytes, unit: 'bytes' })
    const toSend = { path: sealedPath(folder, place, sealed.sha256), sizeBytes: sealed.sizeBytes, name: file.name }
    const word = { epoch: place.vault.epoch, entry }
    const waitUntil = await sendAttachment(desk, { file: toSend, digest: sealed.sha256, word, onBytes })
    attached.push({ name: file.name, sealedSha256: sealed.sha256, sealedBytes: sealed.sizeBytes, waitUntil })
  }
  for (const path of [folder, list]) await rm(path, { recursive: true, force: true })
  return attached
}

/**
 * Send an age file; what has arrived is not sent twice.
 *
 * @param desk - of the source.
 * @returns when the service forgets it if no deposit has named it.
 * @throws EscrowError `REMOTE_UNREACHABLE`, `REMOTE_REFUSED`, `REMOTE_PROTOCOL`
 */
export async function sendAttachment(desk: SendingDesk, { file, digest, word, onBytes }: AttachmentToSend): Promise<Date> {
  const at = `/attachments/${digest}`
  const { sizeBytes: from, held } = await desk.ask(Arrived, at, { method: 'GET' })
  if (!held && from < file.sizeBytes) await desk.sendFile(file, { from, path: `${at}/pieces`, onBytes })
  const { waitUntil } = await desk.ask(Taken, `${at}/received`, { method: 'POST', json: word })
  return new Date(waitUntil)
}
