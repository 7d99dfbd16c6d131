import { EscrowError, isEscrowError } from '../core/errors.js'
import { bundleHeaderBytesMax, pushOptionsMax, refsMax } from '../core/limits.js'
import type { ObjectFormat } from './git-remote.js'
import { encodePacket, flushPacket, type PacketReader } from './pkt-line.js'
import { refNameProblem } from './ref-name.js'
import { cleanWords } from './remote-words.js'
import { objectIdPattern } from './protocol-line.js'

/**
 * The server's side of `git push` (gitprotocol-pack, "Pushing Data To a Server"): what is advertised, what a client asks for, what it is told.
 * Bytes and values only; there is no repository behind it, and it knows nothing of HTTP. Everything read here is written by the client.
 */

/** One ref that is to be created (`from` null), moved, or deleted (`to` null). */
export interface PushCommand {
  /** Its bytes as the client sent them, one character for each: what a report must repeat. */
  readonly wireName: string
  /** The name as text; checked when `problem` is null. */
  readonly name: string
  readonly from: string | null
  readonly to: string | null
  /** What is wrong with the name; null for a good one. */
  readonly problem: string | null
}

/** What a client asks for, before its pack. */
export interface PushRequest {
  /** None when the client only probes whether it may push at all. */
  readonly commands: readonly PushCommand[]
  /** What the client wants to use of what was advertised. */
  readonly capabilities: ReadonlySet<string>
  /** What follows `-o` on the command line. */
  readonly options: readonly string[]
  /** The client's repository lacks the history below some commits. */
  readonly shallow: boolean
}

/** What is shown to a client that is about to push. */
export interface Advertisement {
  readonly objectFormat: ObjectFormat
  readonly refs: Iterable<{ readonly name: string; readonly oid: string }>
  /** The version that the client asked for; version 2 has no push and is answered as 0. */
  readonly version: 0 | 1
  /** Of this software. */
  readonly agent: string
}

/** What became of one ref: null when it was taken, otherwise why not. */
export interface RefOutcome {
  readonly wireName: string
  readonly reason: string | null
}

const service = '# service=git-receive-pack\n'
const blockBytes = 64 * 1024
const reasonCharactersMax = 300
const capabilitiesCharactersMax = 1000
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The answer to `GET info/refs?service=git-receive-pack`, in blocks.
 *
 * `no-thin` makes the pack that comes self-contained in its deltas; nothing here could complete a thin one. A push is one deposit, so
 * `atomic` is what it is anyway.
 */
export function* advertiseRefs(advertisement: Advertisement): Generator<Uint8Array, void, undefined> {
  const { objectFormat, refs, version, agent } = advertisement
  const offered = `report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta no-thin push-options`
  let capabilities = `\0${offered} object-format=${objectFormat} agent=${agent}`
  let parts = [encodePacket(service), flushPacket, ...(version === 1 ? [encodePacket('version 1\n')] : [])]
  let sizeBytes = 0
  for (const { name, oid } of refs) {
    const packet = encodePacket(`${oid} ${name}${capabilities}\n`)
    capabilities = ''
    parts.push(packet)
    sizeBytes += packet.length
    if (sizeBytes < blockBytes) continue
    yield Buffer.concat(parts)
    parts = []
    sizeBytes = 0
  }
  if (capabilities !== '') parts.push(encodePacket(`${nullOid(objectFormat)} capabilities^{}${capabilities}\n`))
  yield Buffer.concat([...parts, flushPacket])
}

/**
 * Read what a client asks for. Behind it, in the same stream, comes its pack, unless it only deletes.
 *
 * @throws EscrowError `BODY_INVALID` for what is no push; `REFS_TOO_MANY` for more refs, or longer names, than one deposit can have
 */
export async function readPushRequest(reader: PacketReader, objectFormat: ObjectFormat): Promise<PushRequest> {
  try {
    return await read(reader, objectFormat)
  } catch (error) {
    // To the client, it is not a remote that is broken.
    if (isEscrowError(error, 'REMOTE_PROTOCOL') || isEscrowError(error, 'REMOTE_BROKEN'))
      throw new EscrowError('BODY_INVALID', error.message, { cause: error })
    throw error
  }
}

/**
 * What a client is told in the end, if it asked for `report-status`.
 *
 * @param unpack - why nothing of the pack was taken; null when it was.
 */
export function encodeReport(unpack: string | null, outcomes: readonly RefOutcome[]): Uint8Array {
  const line = (text: string): Uint8Array => encodePacket(Buffer.from(`${text}\n`, 'latin1'))
  const lines = outcomes.map(({ wireName, reason }) => line(reason === null ? `ok ${wireName}` : `ng ${wireName} ${oneLine(reason)}`))
  return Buffer.concat([line(`unpack ${unpack === null ? 'ok' : oneLine(unpack)}`), ...lines, flushPacket])
}

/** The id that stands for no object. */
export function nullOid(objectFormat: ObjectFormat): string {
  return '0'.repeat(objectFormat === 'sha1' ? 40 : 64)
}

async function read(reader: PacketReader, objectFormat: ObjectFormat): Promise<PushRequest> {
  const commands: PushCommand[] = []
  let capabilities: ReadonlySet<string> | null = null
  let shallow = false
  let sizeBytes = 0
  for (let line = await readLine(reader); line !== null; line = await readLine(reader)) {
    sizeBytes += line.length
    // Names are kept in memory until the end, and lines about what is shallow would come for ever.
    if (sizeBytes > bundleHeaderBytesMax)
      throw new EscrowError('REFS_TOO_MANY', `expected at most ${bundleHeaderBytesMax} bytes of refs in one push, got more`)
    if (line.startsWith('shallow ')) {
      shallow = true
      continue
    }
    const zero = line.indexOf('\0')
    if (capabilities === null) capabilities = parseCapabilities(zero === -1 ? '' : line.slice(zero + 1))
    commands.push(parseCommand(zero === -1 ? line : line.slice(0, zero), objectFormat))
    if (commands.length > refsMax) throw new EscrowError('REFS_TOO_MANY', `expected at most ${refsMax} refs in one push, got more`)
  }
  const wanted = capabilities ?? new Set<string>()
  return { commands, capabilities: wanted, options: wanted.has('push-options') ? await readOptions(reader) : [], shallow }
}

async function readOptions(reader: PacketReader): Promise<readonly string[]> {
  const options: string[] = []
  for (let line = await readLine(reader); line !== null; line = await readLine(reader)) {
    options.push(Buffer.from(line, 'latin1').toString('utf8'))
    if (options.length > pushOptionsMax) throw invalid(`at most ${pushOptionsMax} push options, got more`)
  }
  return options
}

/** A line in one character for each byte; null for the flush that ends a list. */
async function readLine(reader: PacketReader): Promise<string | null> {
  const packet = await reader.next()
  if (packet.kind === 'flush') return null
  if (packet.kind !== 'line') throw invalid(`a list that ends with a flush, got ${packet.kind}`)
  return Buffer.from(packet.payload).toString('latin1').replace(/\n$/, '')
}

function parseCapabilities(text: string): ReadonlySet<string> {
  if (text.length > capabilitiesCharactersMax) throw invalid('fewer capabilities')
  return new Set(text.split(' ').filter((word) => word !== ''))
}

function parseCommand(line: string, objectFormat: ObjectFormat): PushCommand {
  const [, from = '', to = '', wireName = ''] = /^([0-9a-f]+) ([0-9a-f]+) ([^]+)$/.exec(line) ?? []
  const pattern = objectIdPattern(objectFormat)
  if (!pattern.test(from) || !pattern.test(to)) throw invalid(`a command with two ${objectFormat} ids and a ref`)
  const none = nullOid(objectFormat)
  const name = decode(wireName)
  const problem = name === null ? 'is not in UTF-8' : refNameProblem(name)
  return { wireName, name: name ?? '', from: from === none ? null : from, to: to === none ? null : to, problem }
}

/** Git allows any bytes in ref names; we carry them in JSON. */
function decode(wireName: string): string | null {
  try {
    return utf8.decode(Buffer.from(wireName, 'latin1'))
  } catch {
    return null
  }
}

/** Our words may quote the client's; a report has one line for each ref. */
function oneLine(words: string): string {
  return cleanWords(words)
    .replaceAll(/[^\u0020-\u007e]/g, '?')
    .slice(0, reasonCharactersMax)
}

function invalid(expected: string): EscrowError {
  return new EscrowError('BODY_INVALID', `git push: expected ${expected}`)
}
