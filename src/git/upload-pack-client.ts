import { assert, EscrowError } from '../core/errors.js'
import { refsMax } from '../core/limits.js'
import type { FetchRequest, ObjectFormat, RefListing, RemoteHead, RemoteRef } from './git-remote.js'
import { delimPacket, encodePacket, flushPacket, inRequestBlocks, type BandPiece, type PacketReader } from './pkt-line.js'
import { lineOf, objectIdPattern, quote, readLine } from './protocol-line.js'
import { checkRefName, checkRefNamesTogether, compareRefNames } from './ref-name.js'
import { cleanWords, Words } from './remote-words.js'

/**
 * The client of `git upload-pack` in protocol version 2 (gitprotocol-v2): requests as bytes, responses as values. It knows nothing of
 * HTTP or processes; adapters carry the bytes. Every response is written by the remote and checked here.
 */

/** What the remote can do: command or feature to its value, '' for none. */
export type Capabilities = ReadonlyMap<string, string>

/** Capabilities of one remote; git 2.39 has a dozen. */
export const capabilitiesMax = 256
/** How we name ourselves. */
export const agent = 'agent=reduit'

/**
 * Read the capability advertisement that opens a version 2 conversation, behind its first line, `version 2`.
 *
 * @throws EscrowError `REMOTE_VERSION` if a command that we need is missing; `REMOTE_PROTOCOL`, `REMOTE_BROKEN` as `readLine`.
 */
export async function readCapabilities(reader: PacketReader): Promise<Capabilities> {
  const features: Record<string, string> = {}
  for (let count = 0; ; count += 1) {
    const line = await readLine(reader)
    if (line === '') return parseCapabilities(features)
    if (line === null) throw new EscrowError('REMOTE_BROKEN', 'the stream ended within the capabilities')
    if (count >= capabilitiesMax) throw new EscrowError('REMOTE_PROTOCOL', `expected at most ${capabilitiesMax} capabilities, got more`)
    const equals = line.indexOf('=')
    features[equals === -1 ? line : line.slice(0, equals)] = equals === -1 ? '' : line.slice(equals + 1)
  }
}

/**
 * Capabilities from the form in which isomorphic-git gives them.
 *
 * @throws EscrowError `REMOTE_VERSION` if a command that we need is missing.
 */
export function parseCapabilities(features: Readonly<Record<string, string | true>>): Capabilities {
  const capabilities = new Map(Object.entries(features).map(([name, value]) => [name, value === true ? '' : value]))
  for (const command of ['ls-refs', 'fetch']) {
    if (!capabilities.has(command))
      throw new EscrowError('REMOTE_VERSION', `expected a remote with the command ${command}, got one without`)
  }
  objectFormatOf(capabilities)
  return capabilities
}

/** @throws EscrowError `REMOTE_VERSION` for a format that git 2.39 does not know. */
export function objectFormatOf(capabilities: Capabilities): ObjectFormat {
  const format = capabilities.get('object-format') ?? 'sha1'
  if (format === 'sha1' || format === 'sha256') return format
  throw new EscrowError('REMOTE_VERSION', `expected object format sha1 or sha256, got ${cleanWords(format).slice(0, 40)}`)
}

/** The request that lists every ref, peeled, with symbolic targets and an unborn HEAD. */
export function lsRefsRequest(capabilities: Capabilities): Iterable<Uint8Array> {
  const unborn = (capabilities.get('ls-refs') ?? '').split(' ').includes('unborn')
  return blocks(capabilities, 'ls-refs', ['peel\n', 'symrefs\n', ...(unborn ? ['unborn\n'] : [])])
}

/**
 * The request for a pack that is self-contained in its deltas: no `thin-pack`, and `done` at once so that the pack follows directly.
 *
 * @param request - at least one want; as many wants and haves as there are: the bytes are made in blocks while they are read, and the
 *   iterable may be read again (to count, or to send once more).
 */
export function fetchRequest(capabilities: Capabilities, request: FetchRequest): Iterable<Uint8Array> {
  checkFetchRequest(capabilities, request)
  function* lines(): Generator<string> {
    yield 'ofs-delta\n'
    for (const id of new Set(request.wants)) yield `want ${id}\n`
    for (const id of new Set(request.haves)) yield `have ${id}\n`
    yield 'done\n'
  }
  return blocks(capabilities, 'fetch', { [Symbol.iterator]: lines })
}

/**
 * Refuse a request that this remote could not answer.
 *
 * @throws EscrowError `REMOTE_PROTOCOL` for another object format; a request that is no request is a bug.
 */
export function checkFetchRequest(capabilities: Capabilities, request: FetchRequest): void {
  assert(request.wants.length > 0, 'a fetch wants something')
  const idPattern = objectIdPattern(request.objectFormat)
  for (const id of [...request.wants, ...request.haves]) assert(idPattern.test(id), 'an object id is lower-case hex of its format')
  if (objectFormatOf(capabilities) !== request.objectFormat) {
    throw new EscrowError('REMOTE_PROTOCOL', `expected object format ${request.objectFormat}, got ${objectFormatOf(capabilities)}`)
  }
}

/**
 * Read the answer to `lsRefsRequest`.
 *
 * @returns refs sorted by name; none and head `none` for an empty remote that does not name its unborn branch.
 * @throws EscrowError `REF_NAME_INVALID`, `REFS_TOO_MANY`, `REMOTE_PROTOCOL`, `REMOTE_BROKEN`
 */
export async function readRefListing(reader: PacketReader, objectFormat: ObjectFormat): Promise<RefListing> {
  const idPattern = objectIdPattern(objectFormat)
  const refs: RemoteRef[] = []
  let head: RemoteHead | null = null
  for (;;) {
    const line = lineOf(reader.arrived() ?? (await reader.next()))
    if (line === '') break
    if (line === null) throw new EscrowError('REMOTE_BROKEN', 'the stream ended within the list of refs')
    const listed = parseListedRef(line, idPattern)
    if (listed.name !== 'HEAD') refs.push(toRemoteRef(listed))
    else if (head === null) head = toHead(listed)
    else throw new EscrowError('REMOTE_PROTOCOL', 'expected HEAD once, got it twice')
    if (refs.length > refsMax) throw new EscrowError('REFS_TOO_MANY', `expected at most ${refsMax} refs, got more`)
  }
  return toListing(objectFormat, head, refs)
}

/**
 * A listing of refs that were checked one by one.
 *
 * @param refs - in any order; the listing takes them.
 * @throws EscrowError `REF_NAME_INVALID` for refs that no repository can hold together.
 */
export function toListing(objectFormat: ObjectFormat, head: RemoteHead | null, refs: RemoteRef[]): RefListing {
  checkRefNamesTogether(refs.map((ref) => ref.name))
  return { objectFormat, head: head ?? { kind: 'none' }, refs: refs.sort((left, right) => compareRefNames(left.name, right.name)) }
}

/**
 * Read the answer to `fetchRequest`: the pack's bytes, as views that are valid until the next one is asked for.
 *
 * @param words - takes what the remote says on the progress band; part of the message if the transfer breaks.
 * @throws EscrowError while iterating: `REMOTE_SHALLOW`, `REMOTE_BROKEN` with the remote's words, `REMOTE_PROTOCOL`. A sequence that
 *   ends has ended with the remote's flush.
 */
export async function* readPack(reader: PacketReader, words: Words): AsyncGenerator<Uint8Array, void, undefined> {
  await skipToPack(reader)
  yield* packOf(reader.bands(), words)
}

/**
 * The pack's bytes out of side-band pieces; what the remote says beside it goes to `words`.
 *
 * @throws EscrowError while iterating: `REMOTE_BROKEN` with the remote's last words, `REMOTE_PROTOCOL` for a band that does not exist.
 */
export async function* packOf(pieces: AsyncIterable<BandPiece>, words: Words): AsyncGenerator<Uint8Array, void, undefined> {
  const complaint = new Words()
  for await (const { band, bytes, last } of pieces) {
    if (band === 1) yield bytes
    else if (band === 2) words.add(bytes)
    else if (band === 3) {
      complaint.add(bytes)
      if (last) throw new EscrowError('REMOTE_BROKEN', `the remote ended the transfer: ${quote(complaint.toString() || words.toString())}`)
    } else throw new EscrowError('REMOTE_PROTOCOL', `expected side band 1, 2 or 3, got ${band}`)
  }
}

async function skipToPack(reader: PacketReader): Promise<void> {
  for (;;) {
    const section = await readLine(reader)
    if (section === 'packfile') return
    if (section === 'shallow-info') throw new EscrowError('REMOTE_SHALLOW', 'expected a complete repository, got a shallow one')
    if (section === null) throw new EscrowError('REMOTE_BROKEN', 'the stream ended before the pack')
    if (section !== 'acknowledgments' && section !== 'wanted-refs') {
      throw new EscrowError('REMOTE_PROTOCOL', `expected a section of a fetch response, got ${quote(section)}`)
    }
    await skipSection(reader)
  }
}

/** What we did not ask for is skipped, but not for ever: one line for each ref is the most a section can have. */
async function skipSection(reader: PacketReader): Promise<void> {
  for (let count = 0; count <= refsMax; count += 1) {
    const packet = await reader.next()
    if (packet.kind === 'delim') return
    if (packet.kind !== 'line') throw new EscrowError('REMOTE_PROTOCOL', `expected a section to end with a delimiter, got ${packet.kind}`)
  }
  throw new EscrowError('REMOTE_PROTOCOL', `expected at most ${refsMax} lines in a section, got more`)
}

interface ListedRef {
  readonly oid: string | null
  readonly name: string
  readonly symref?: string
  readonly peeled?: string
}

/** `<oid | "unborn"> <name>[ symref-target:<ref>][ peeled:<oid>]`; attributes that we do not know are passed over. */
function parseListedRef(line: string, idPattern: RegExp): ListedRef {
  const [id = '', name = '', ...attributes] = line.split(' ')
  if (id !== 'unborn' && !idPattern.test(id)) throw new EscrowError('REMOTE_PROTOCOL', `expected an object id, got ${quote(id)}`)
  const attribute = (key: string): string | undefined => attributes.find((text) => text.startsWith(key))?.slice(key.length)
  const symref = attribute('symref-target:')
  const peeled = attribute('peeled:')
  if (peeled !== undefined && !idPattern.test(peeled))
    throw new EscrowError('REMOTE_PROTOCOL', `expected a peeled object id, got ${quote(peeled)}`)
  return {
    oid: id === 'unborn' ? null : id,
    name: name === 'HEAD' ? name : checkRefName(name),
    ...(symref === undefined ? {} : { symref: checkRefName(symref) }),
    ...(peeled === undefined ? {} : { peeled }),
  }
}

function toRemoteRef({ oid, ...ref }: ListedRef): RemoteRef {
  if (oid === null) throw new EscrowError('REMOTE_PROTOCOL', `expected an object id for ${quote(ref.name)}, got an unborn ref`)
  return { ...ref, oid }
}

function toHead({ oid, symref }: ListedRef): RemoteHead {
  if (symref !== undefined) return { kind: 'branch', ref: symref, oid }
  return oid === null ? { kind: 'none' } : { kind: 'detached', oid }
}

/** A command with its arguments, in blocks, each time it is iterated. */
function blocks(capabilities: Capabilities, command: string, lines: Iterable<string>): Iterable<Uint8Array> {
  const format = capabilities.get('object-format')
  function* packets(): Generator<Uint8Array> {
    yield encodePacket(`command=${command}\n`)
    if (capabilities.has('agent')) yield encodePacket(`${agent}\n`)
    if (format !== undefined) yield encodePacket(`object-format=${format}\n`)
    yield delimPacket
    for (const line of lines) yield encodePacket(line)
    yield flushPacket
  }
  return inRequestBlocks({ [Symbol.iterator]: packets })
}
