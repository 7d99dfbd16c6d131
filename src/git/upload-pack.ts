import { EscrowError } from '../core/errors.js'
import type { FetchRequest, RefListing } from './git-remote.js'
import type { PacketReader } from './pkt-line.js'
import { readLine } from './protocol-line.js'
import type { Words } from './remote-words.js'
import { fetchRequest, readCapabilities, readPack, type Capabilities } from './upload-pack-client.js'
import { fetchRequestV0, readAdvertisement, readPackV0 } from './upload-pack-v0.js'

/** `git upload-pack` in whichever version the server speaks. We ask for 2; a server that does not know it answers as it always has. */

/** How a server is spoken to; version 1 is version 0 with a greeting. */
export interface Dialect {
  readonly version: 0 | 2
  readonly capabilities: Capabilities
}

/** What a server says first. In version 0 the refs are part of it. */
export interface Greeting extends Dialect {
  /** In version 0 only. */
  readonly listing?: RefListing
}

/**
 * Read what the server says first.
 *
 * @throws EscrowError `REMOTE_BROKEN` if it says nothing; as `readCapabilities` and `readAdvertisement`.
 */
export async function readGreeting(reader: PacketReader): Promise<Greeting> {
  const first = await readLine(reader)
  return first === 'version 2' ? { version: 2, capabilities: await readCapabilities(reader) } : readOldGreeting(first, reader)
}

/**
 * Read what a server of version 0 or 1 says.
 *
 * @param first - the first line, already read.
 * @throws EscrowError `REMOTE_BROKEN` if that is the end of the stream; as `readAdvertisement`.
 */
export async function readOldGreeting(first: string | null, reader: PacketReader): Promise<Greeting> {
  const line = first === 'version 1' ? await readLine(reader) : first
  if (line === null) throw new EscrowError('REMOTE_BROKEN', 'the remote said nothing')
  return { version: 0, ...(await readAdvertisement(line, reader)) }
}

/** The request for a pack in the server's own version. @throws EscrowError as `fetchRequest` and `fetchRequestV0` */
export function packRequest({ version, capabilities }: Dialect, request: FetchRequest): Iterable<Uint8Array> {
  return version === 2 ? fetchRequest(capabilities, request) : fetchRequestV0(capabilities, request)
}

/** The pack that answers it. @throws EscrowError while iterating, as `readPack` and `readPackV0` */
export function readPackIn({ version }: Dialect, reader: PacketReader, words: Words): AsyncGenerator<Uint8Array, void, undefined> {
  return version === 2 ? readPack(reader, words) : readPackV0(reader, words)
}
