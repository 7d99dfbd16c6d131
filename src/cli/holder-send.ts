// Sends a sealed deposit to the service: files in pieces, from wherever the last run stopped, then the question whether it was received.
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { jsonBodyBytesMax, offerPieceBytes, sendAttemptsMax, sendPauseMs, signedDocumentBytesMax } from '../core/limits.js'
import { readNamedFile } from './files.js'

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
const Refusal = z.object({ code: z.string().max(100), detail: z.string().max(4000), details: z.record(z.string(), z.unknown()).optional() })

interface OutFile {
  readonly key: string
  readonly path: string
  readonly sizeBytes: number
}

/**
 * Send a sealed deposit. May be run again after it was interrupted: what has arrived is not sent twice.
 *
 * @throws EscrowError `NOT_FOUND` for a folder without a sealed deposit; `REMOTE_UNREACHABLE` when the service does not answer after several
 *   attempts; `REMOTE_REFUSED` with its words when it refuses
 */
export async function sendDeposit(wish: SendWish, signal: AbortSignal): Promise<SentDeposit> {
  const files = await filesOf(wish.folder)
  const desk = new Desk(wish, await deskAddress(wish, files), signal)
  const total = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  const arrived = new Map((await desk.arrived()).map(({ key, sizeBytes }) => [key, sizeBytes]))
  let done = 0
  for (const file of files) {
    const from = arrived.get(file.key) ?? null
    if (from === null || from < file.sizeBytes)
      await sendFile(desk, file, { from: from ?? 0, onBytes: (bytes) => wish.onBytes?.(done + bytes, total) })
    done += file.sizeBytes
  }
  return desk.received()
}

async function sendFile(
  desk: Desk,
  file: OutFile,
  how: { readonly from: number; readonly onBytes: (bytes: number) => void },
): Promise<void> {
  let [offset, setbacks] = [how.from, 0]
  do {
    const next = await desk.piece(file, offset)
    // A service may have swept what it had, once or twice; one that goes back and back would keep us here for ever.
    if (next <= offset && file.sizeBytes > 0) setbacks += 1
    if (setbacks > sendAttemptsMax)
      throw new EscrowError('REMOTE_PROTOCOL', `${file.key}: the service goes back to byte ${next} again and again`)
    offset = next
    how.onBytes(offset)
  } while (offset < file.sizeBytes)
}

/** Whether the service will never take this deposit, as it is; a wrong token or a service that is away says nothing of it. */
export function isSpent(error: unknown): boolean {
  if (!isEscrowError(error, 'REMOTE_REFUSED')) return false
  return /^(?:DEPOSIT_|FORMAT_|SIGNATURE_|STATEMENT_|OBJECT_|AGREEMENT_DIGEST|RECIPIENT_)/.test(String(error.details['code']))
}

/** One offer at the service. */
class Desk {
  constructor(
    private readonly wish: SendWish,
    private readonly at: { readonly base: string; readonly token: string },
    private readonly signal: AbortSignal,
  ) {}

  async arrived(): Promise<z.infer<typeof Arrived>['files']> {
    return (await this.ask(Arrived, '', { method: 'GET' })).files
  }

  /** @returns the offset behind the piece, or where the service wants to go on. */
  async piece(file: OutFile, offset: number): Promise<number> {
    const end = Math.min(offset + offerPieceBytes, file.sizeBytes)
    const [folder = '', name = ''] = file.key.split('/').slice(-2)
    const body = () => (end === offset ? Readable.from([]) : createReadStream(file.path, { start: offset, end: end - 1 }))
    const answer = await this.ask(z.object({ sizeBytes: z.number().int().min(0) }), `/files/${folder}/${name}?offset=${offset}`, {
      method: 'POST',
      body,
    })
    return answer.sizeBytes
  }

  async received(): Promise<SentDeposit> {
    const taken = await this.ask(Taken, '/received', { method: 'POST' })
    return { ...taken, accepted: Buffer.from(taken.accepted, 'base64') }
  }

  /** A piece may have arrived although its answer was lost: then the service says where it is, and so do we. */
  private async ask<T>(
    schema: z.ZodType<T>,
    path: string,
    how: { readonly method: 'GET' | 'POST'; readonly body?: () => Readable },
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.askOnce(schema, path, how)
      } catch (error) {
        this.signal.throwIfAborted()
        const again = !(error instanceof EscrowError) || error.details['again'] === true
        if (!again) throw error
        if (attempt >= sendAttemptsMax) throw unreachableAt(this.wish.url, error)
        await pause(sendPauseMs * 2 ** (attempt - 1), undefined, { signal: this.signal })
      }
    }
  }

  private async askOnce<T>(
    schema: z.ZodType<T>,
    path: string,
    how: { readonly method: 'GET' | 'POST'; readonly body?: () => Readable },
  ): Promise<T> {
    const body = how.body?.()
    const headers = {
      authorization: `Bearer ${this.at.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }),
    }
    const stream = body === undefined ? {} : { body: Readable.toWeb(body) as BodyInit, duplex: 'half' as const }
    // A redirect would carry the token elsewhere.
    const answer = await fetch(`${this.at.base}${path}`, { method: how.method, headers, redirect: 'error', signal: this.signal, ...stream })
    const said = await readAnswer(answer)
    if (answer.ok) return parseAnswer(schema, said)
    const refusal = Refusal.safeParse(said)
    if (refusal.success && refusal.data.code === 'OFFER_OFFSET') return parseAnswer(schema, refusal.data.details)
    const words = refusal.success ? `${refusal.data.detail} [${refusal.data.code}]` : `status ${answer.status}`
    // Somebody else, or our own request before whose answer was lost, is at work on it; or the service is not well.
    const code = refusal.success ? refusal.data.code : ''
    const later =
      answer.status >= 500 || (answer.status === 429 && !/^(?:OFFERS_TOO_MANY|QUOTA_EXCEEDED)$/.test(code)) || code === 'LEASE_HELD'
    throw new EscrowError('REMOTE_REFUSED', `the service refused: ${words}`, { details: { again: later, code } })
  }
}

function parseAnswer<T>(schema: z.ZodType<T>, said: unknown): T {
  const parsed = schema.safeParse(said)
  if (parsed.success) return parsed.data
  throw new EscrowError('REMOTE_PROTOCOL', 'expected an answer of an escrow service')
}

async function readAnswer(answer: Response): Promise<unknown> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of answer.body ?? []) {
    sizeBytes += (block as Uint8Array).length
    if (sizeBytes > signedDocumentBytesMax * 2) throw new EscrowError('REMOTE_PROTOCOL', 'expected a shorter answer of an escrow service')
    blocks.push(block)
  }
  try {
    return JSON.parse(Buffer.concat(blocks).toString('utf8')) as unknown
  } catch {
    return null
  }
}

/** Documents first and the manifest last: it makes an offer whole. */
async function filesOf(folder: string): Promise<readonly OutFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files: OutFile[] = []
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const key = relative(folder, path).split(sep).join('/')
    if (!/^agreements\/[^/]+\/sources\/[^/]+\/\d{10}-[a-z]+\/[^./][^/]*$/.test(key)) continue
    files.push({ key, path, sizeBytes: (await stat(path)).size })
  }
  const rank = ({ key }: OutFile) => (key.endsWith('/manifest.json') ? 1 : 0)
  if (!files.some((file) => rank(file) === 1)) throw new EscrowError('NOT_FOUND', `expected a sealed deposit in ${folder}`)
  return files.sort((left, right) => rank(left) - rank(right))
}

async function deskAddress(
  { url, tokenFile }: SendWish,
  files: readonly OutFile[],
): Promise<{ readonly base: string; readonly token: string }> {
  const envelope = files
    .map(({ key }) => /^agreements\/([^/]+)\/sources\/([^/]+)\/.*\/([a-z2-7]{20})\.bundle\.age$/.exec(key))
    .find((match) => match !== null)
  const [, agreement, source, attempt] = envelope ?? []
  if (agreement === undefined) throw new EscrowError('NOT_FOUND', 'expected a sealed deposit with its envelope')
  const service = URL.canParse(url) ? new URL(url) : null
  if (service === null || !/^https?:$/.test(service.protocol) || service.username !== '') {
    throw new EscrowError('ARGUMENT_INVALID', 'expected --url like https://escrow.example')
  }
  const token = (await readNamedFile(tokenFile, jsonBodyBytesMax)).toString('utf8').trim()
  if (!/^tok_[a-z2-7]{20}\.[A-Za-z0-9_-]{43}$/.test(token)) throw new EscrowError('KEY_INVALID', `expected an API token in ${tokenFile}`)
  return { base: `${service.href.replace(/\/$/, '')}/v1/agreements/${agreement}/sources/${source}/offers/${attempt}`, token }
}

function unreachableAt(url: string, cause: unknown): EscrowError {
  const words = cause instanceof EscrowError ? `: ${cause.message}` : ''
  return new EscrowError('REMOTE_UNREACHABLE', `no answer from ${url} after ${sendAttemptsMax} attempts${words}`, { cause })
}
