import { EscrowError } from '../core/errors.js'
import type { ObjectFormat } from './git-remote.js'
import type { Packet, PacketReader } from './pkt-line.js'
import { cleanWords } from './remote-words.js'

/** Lines of text in git's wire protocol, as every version of it writes them. All of it is written by the remote. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A line of text without its line feed; '' for a flush, null for the end of the stream.
 *
 * @throws EscrowError `REMOTE_BROKEN` for an `ERR` line, with the remote's words; `REMOTE_PROTOCOL` for other packets.
 */
export async function readLine(reader: PacketReader): Promise<string | null> {
  return lineOf(reader.arrived() ?? (await reader.next()))
}

/** The line that a packet is. @returns and throws as `readLine` */
export function lineOf(packet: Packet): string | null {
  if (packet.kind === 'flush') return ''
  if (packet.kind === 'end') return null
  if (packet.kind !== 'line') throw new EscrowError('REMOTE_PROTOCOL', `expected a line, got ${packet.kind}`)
  return textOf(packet.payload)
}

/**
 * The text of a packet without its line feed.
 *
 * @throws EscrowError `REMOTE_BROKEN` for an `ERR` line, `REMOTE_PROTOCOL` for an empty one, `REF_NAME_INVALID` for what is not UTF-8.
 */
export function textOf(payload: Uint8Array): string {
  if (isComplaint(payload)) {
    throw new EscrowError('REMOTE_BROKEN', `the remote refused: ${quote(cleanWords(Buffer.from(payload.subarray(4)).toString('utf8')))}`)
  }
  const end = payload.at(-1) === 0x0a ? payload.length - 1 : payload.length
  const line = decodeUtf8(payload.subarray(0, end))
  if (line === '') throw new EscrowError('REMOTE_PROTOCOL', 'expected a line, got an empty one')
  return line
}

function isComplaint(payload: Uint8Array): boolean {
  return payload[0] === 0x45 && payload[1] === 0x52 && payload[2] === 0x52 && payload[3] === 0x20
}

/** Git allows any bytes in ref names; we carry them in JSON, so they have to be UTF-8. */
function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new EscrowError('REF_NAME_INVALID', `expected names in UTF-8, got "${escaped(bytes)}"`, { cause })
  }
}

/** The beginning of a line as a person can find it again at the remote: what is not printable ASCII as `\xe9`. */
function escaped(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 200)).toString('latin1')
  return text.replaceAll(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Git's object ids of a format: exactly 40 or 64 lower-case hex digits. */
export function objectIdPattern(objectFormat: ObjectFormat): RegExp {
  return objectFormat === 'sha1' ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/
}

/** Words of a remote inside a message of ours. */
export function quote(words: string): string {
  return JSON.stringify(cleanWords(words))
}
