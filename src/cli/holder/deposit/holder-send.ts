// Sends a sealed deposit to the service: files in pieces, from wherever the last run stopped, then the question whether it was received.
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { z } from 'zod'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { attachmentSendsMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { someAtOnce } from '../../../store/at-once.js'
import { sendAttachment } from './holder-attach.js'
import { SendingDesk, type FileToSend } from './sending-desk.js'

/** Where and what to send. */
export interface SendWish {
  /** Of the service, like `https://escrow.example`. */
  readonly url: string
  /** A file with an API token of the depositor. */
  readonly tokenFile: string
  /** The sealed deposit, as `escrow deposit --sealed` made it. */
  readonly folder: string
  readonly onBytes?: (done: number, total: number) => void
}

/** What the service answered. */
export interface SentDeposit {
  readonly depositId: string
  readonly sequence: number
  /** The manifest, countersigned; not verified here. */
  readonly accepted: Uint8Array
  readonly receipt: string | null
}

const Arrived = z.object({ files: z.array(z.object({ key: z.string().max(900), sizeBytes: z.number().int().min(0) })).max(100) })
const Taken = z.object({
  depositId: z.string().max(100),
  sequence: z.number().int().min(1),
  accepted: z.base64().max(signedDocumentBytesMax * 2),
  receipt: z.string().max(64).nullable(),
})

/**
 * Send a sealed deposit. May be run again after it was interrupted: what has arrived is not sent twice.
 *
 * @throws EscrowError `NOT_FOUND` for a folder without a sealed deposit; `REMOTE_UNREACHABLE` when the service does not answer after several
 *   attempts; `REMOTE_REFUSED` with its words when it refuses
 */
export async function sendDeposit(wish: SendWish, signal: AbortSignal): Promise<SentDeposit> {
  const { source, attempt, files, attachments } = await offerIn(wish.folder)
  const desk = await SendingDesk.open(wish, source, signal)
  const total = [...files, ...attachments].reduce((sum, file) => sum + file.sizeBytes, 0)
  let done = 0
  // First, because the deposit is taken only when the service holds what it names.
  await someAtOnce(attachments, attachmentSendsMax, async (file) => {
    await sendAttachment(desk, { file, digest: basename(file.name, '.age'), word: {}, onBytes: () => undefined })
    done += file.sizeBytes
    wish.onBytes?.(done, total)
  })
  const at = `/offers/${attempt}`
  const { files: there } = await desk.ask(Arrived, at, { method: 'GET' })
  const arrived = new Map(there.map(({ key, sizeBytes }) => [key, sizeBytes]))
  for (const file of files) {
    const from = arrived.get(file.name) ?? null
    const path = pathInOffer(attempt, file.name)
    if (from === null || from < file.sizeBytes)
      await desk.sendFile(file, { from: from ?? 0, path, onBytes: (bytes) => wish.onBytes?.(done + bytes, total) })
    done += file.sizeBytes
  }
  const taken = await desk.ask(Taken, `${at}/received`, { method: 'POST' })
  return { ...taken, accepted: Buffer.from(taken.accepted, 'base64') }
}

/** Where the pieces of a file go, below its source. @param key - of the file; what is offered has the layout of the archive. */
export function pathInOffer(attempt: string, key: string): string {
  return `/offers/${attempt}/files/${key.split('/').slice(-2).join('/')}`
}

/** The source and the attempt that an envelope is of, by its key; null for the key of anything else. */
export function offerOf(key: string): { readonly source: string; readonly attempt: string } | null {
  const [, source, attempt] = /^(agreements\/[^/]+\/sources\/[^/]+)\/.*\/([a-z2-7]{20})\.bundle\.age$/.exec(key) ?? []
  return source === undefined || attempt === undefined ? null : { source: `v1/${source}`, attempt }
}

/** Whether the service will never take this deposit, as it is; a wrong token or a service that is away says nothing of it. */
export function isSpent(error: unknown): boolean {
  if (!isEscrowError(error, 'REMOTE_REFUSED')) return false
  return /^(?:DEPOSIT_|FORMAT_|SIGNATURE_|STATEMENT_|OBJECT_|AGREEMENT_DIGEST|RECIPIENT_)/.test(String(error.details['code']))
}

/** What is to be sent: documents first and the manifest last, which makes an offer whole. */
interface Offered {
  /** Of the source, below the address of a service. */
  readonly source: string
  readonly attempt: string
  readonly files: readonly FileToSend[]
  /** Age files of this deposit. */
  readonly attachments: readonly FileToSend[]
}

async function offerIn(folder: string): Promise<Offered> {
  const all = await filesIn(folder)
  const files = all.filter(({ name }) => /^agreements\/[^/]+\/sources\/[^/]+\/\d{10}-[a-z]+\/[^./][^/]*$/.test(name))
  const attachments = all.filter(({ name }) => /^agreements\/[^/]+\/sources\/[^/]+\/attachments\/[0-9a-f]{64}\.age$/.test(name))
  const last = ({ name }: FileToSend) => (name.endsWith('/manifest.json') ? 1 : 0)
  const offer = files.map(({ name }) => offerOf(name)).find((found) => found !== null)
  if (offer === undefined || !files.some((file) => last(file) === 1))
    throw new EscrowError('NOT_FOUND', `expected a sealed deposit in ${folder}`)
  return { ...offer, files: files.toSorted((left, right) => last(left) - last(right)), attachments }
}

/** Names are paths below the folder. */
async function filesIn(folder: string): Promise<readonly FileToSend[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((candidate) => candidate.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const sized = files.map(async (path) => ({ name: relative(folder, path).split(sep).join('/'), path, sizeBytes: (await stat(path)).size }))
  return Promise.all(sized)
}
