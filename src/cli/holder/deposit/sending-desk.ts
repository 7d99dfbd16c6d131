// Sends files to a service in pieces, from wherever the last run stopped. Every request may be sent again; nothing the service says keeps us for ever.
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { jsonBodyBytesMax } from '../../../core/http-limits.js'
import { offerPieceBytes, readBlockBytes, sendAttemptsMax, sendPauseMs, signedDocumentBytesMax } from '../../../core/limits.js'
import type { CommandContext } from '../../command.js'
import { readNamedFile } from '../../files.js'

/** A file on its way. */
export interface FileToSend {
  readonly path: string
  readonly sizeBytes: number
  /** For messages. */
  readonly name: string
}

interface Question {
  readonly method: 'GET' | 'POST'
  /** Made anew for each attempt. */
  readonly body?: () => Readable
  readonly json?: unknown
}

const Size = z.object({ sizeBytes: z.number().int().min(0) })
const Refusal = z.object({ code: z.string().max(100), detail: z.string().max(4000), details: z.record(z.string(), z.unknown()).optional() })

/** One place of a service that takes files in pieces. */
export class SendingDesk {
  private constructor(
    private readonly at: { readonly url: string; readonly base: string; readonly token: string },
    private readonly signal: AbortSignal,
    private readonly attemptsMax: number,
  ) {}

  /**
   * Find the place.
   *
   * @param path - below the address of the service.
   * @param attemptsMax - how often a question that gets no answer is asked, at least once.
   * @throws EscrowError `ARGUMENT_INVALID` for an address that is none; `KEY_INVALID`, `FILE_UNREADABLE` for the file with the token
   */
  static async open(
    { url, tokenFile }: NonNullable<CommandContext['service']>,
    path: string,
    signal: AbortSignal,
    attemptsMax = sendAttemptsMax,
  ): Promise<SendingDesk> {
    const service = URL.canParse(url) ? new URL(url) : null
    if (service === null || !/^https?:$/.test(service.protocol) || service.username !== '') {
      throw new EscrowError('ARGUMENT_INVALID', 'expected --url like https://escrow.example')
    }
    const token = (await readNamedFile(tokenFile, jsonBodyBytesMax)).toString('utf8').trim()
    if (!/^tok_[a-z2-7]{20}\.[A-Za-z0-9_-]{43}$/.test(token)) throw new EscrowError('KEY_INVALID', `expected an API token in ${tokenFile}`)
    return new SendingDesk({ url, base: `${service.href.replace(/\/$/, '')}/${path}`, token }, signal, attemptsMax)
  }

  /**
   * Send what is missing of a file.
   *
   * @param how.from - what has arrived before.
   * @param how.path - where pieces go, without their offset.
   * @throws EscrowError as `ask`; `REMOTE_PROTOCOL` when the service goes back again and again
   */
  async sendFile(
    file: FileToSend,
    how: { readonly from: number; readonly path: string; readonly onBytes: (bytes: number) => void },
  ): Promise<void> {
    let [offset, setbacks] = [how.from, 0]
    do {
      const next = await this.piece(file, offset, how.path)
      // A service may have swept what it had, once or twice; one that goes back and back would keep us here for ever.
      if (next <= offset && file.sizeBytes > 0) setbacks += 1
      if (setbacks > sendAttemptsMax)
        throw new EscrowError('REMOTE_PROTOCOL', `${file.name}: the service goes back to byte ${next} again and again`)
      offset = next
      how.onBytes(offset)
    } while (offset < file.sizeBytes)
  }

  /**
   * Ask, and ask again when the answer was lost or the service is not well: a piece may have arrived all the same, and then the service says
   * where it is.
   *
   * @throws EscrowError `REMOTE_UNREACHABLE` after several attempts; `REMOTE_REFUSED` with the words of the service and its code in the details;
   *   `REMOTE_PROTOCOL` for an answer that is none
   */
  async ask<T>(schema: z.ZodType<T>, path: string, question: Question): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.askOnce(schema, path, question)
      } catch (error) {
        this.signal.throwIfAborted()
        const again = !(error instanceof EscrowError) || error.details['again'] === true
        if (!again) throw error
        if (attempt >= this.attemptsMax) throw unreachableAt(this.at.url, attempt, error)
        await pause(pauseBefore(attempt, error), undefined, { signal: this.signal })
      }
    }
  }

  /** @returns the offset behind the piece, or where the service wants to go on. */
  private async piece(file: FileToSend, offset: number, path: string): Promise<number> {
    const end = Math.min(offset + offerPieceBytes, file.sizeBytes)
    // Each block passes through several streams: 303 MiB cost 1.0 s of processor time in blocks of 64 KiB, 0.4 s in these.
    const part = { start: offset, end: end - 1, highWaterMark: readBlockBytes }
    const body = () => (end === offset ? Readable.from([]) : createReadStream(file.path, part))
    return (await this.ask(Size, `${path}?offset=${offset}`, { method: 'POST', body })).sizeBytes
  }

  private async askOnce<T>(schema: z.ZodType<T>, path: string, { method, body, json }: Question): Promise<T> {
    const headers = {
      authorization: `Bearer ${this.at.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const stream = body === undefined ? {} : { body: Readable.toWeb(body()) as BodyInit, duplex: 'half' as const }
    const text = json === undefined ? {} : { body: JSON.stringify(json) }
    // A redirect would carry the token elsewhere.
    const answer = await fetch(`${this.at.base}${path}`, { method, headers, redirect: 'error', signal: this.signal, ...stream, ...text })
    const said = await readAnswer(answer)
    if (answer.ok) return parseAnswer(schema, said)
    const refusal = Refusal.safeParse(said)
    if (refusal.success && refusal.data.code === 'OFFER_OFFSET') return parseAnswer(schema, refusal.data.details)
    throw refused(answer.status, refusal.success ? refusal.data : null)
  }
}

function refused(status: number, said: z.infer<typeof Refusal> | null): EscrowError {
  const words = said === null ? `status ${status}` : `${said.detail} [${said.code}]`
  // Somebody else, or our own request before whose answer was lost, is at work on it; or the service is not well.
  const code = said?.code ?? ''
  const later = status >= 500 || (status === 429 && !/^(?:OFFERS_TOO_MANY|QUOTA_EXCEEDED)$/.test(code)) || code === 'LEASE_HELD'
  const waits = said?.details?.['retryAfterSeconds']
  const details = { again: later, code, ...(typeof waits === 'number' ? { retryAfterSeconds: waits } : {}) }
  return new EscrowError('REMOTE_REFUSED', `the service refused: ${words}`, { details })
}

/** Doubled each time; as long as the service asks for, within reason. */
function pauseBefore(attempt: number, error: unknown): number {
  const asked = isEscrowError(error) ? Number(error.details['retryAfterSeconds'] ?? 0) * 1000 : 0
  return Math.max(sendPauseMs * 2 ** (attempt - 1), Math.min(asked, sendPauseMs * 60))
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

function unreachableAt(url: string, attempts: number, cause: unknown): EscrowError {
  const words = cause instanceof EscrowError ? `: ${cause.message}` : ''
  return new EscrowError('REMOTE_UNREACHABLE', `no answer from ${url} after ${attempts} attempts${words}`, { cause })
}
