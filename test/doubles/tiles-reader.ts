// A reader of tiled logs that knows nothing of ours: written from c2sp.org/tlog-tiles, tlog-checkpoint, signed-note and RFC 6962 alone, with
// nothing but node:crypto. It computes every hash anew and trusts the log's key only.
import { createHash, createPublicKey, verify } from 'node:crypto'

/** What a reader of a whole log has found to be so. */
export interface ReadLog {
  readonly origin: string
  readonly size: number
  readonly entries: readonly Buffer[]
  /** Paths that were asked for, in order. */
  readonly paths: readonly string[]
}

type Fetch = (path: string) => Promise<Buffer | null>

/**
 * Read a log from its checkpoint, and check all of it.
 *
 * @param get - gives the file at a path, or null for 404.
 * @param publicKey - the log's raw Ed25519 key.
 * @throws Error saying what is not as the specification or the checkpoint demands.
 */
export async function readTiledLog(get: Fetch, publicKey: Uint8Array): Promise<ReadLog> {
  const paths: string[] = []
  const must = async (path: string, full: string): Promise<Buffer> => {
    paths.push(path)
    const bytes = (await get(path)) ?? (path === full ? null : await get(full))
    if (bytes === null) throw new Error(`404 for ${path}`)
    return bytes
  }
  const { origin, size, root } = openNote((await must('checkpoint', 'checkpoint')).toString('utf8'), publicKey)
  const entries: Buffer[] = []
  for (const { path, full, width } of tilesOf(size, 'entries', 0)) entries.push(...entriesOf(await must(path, full)).slice(0, width))
  if (entries.length !== size) throw new Error(`expected ${size} entries, got ${entries.length}`)
  let hashes = entries.map((entry) => sha256(Buffer.from([0]), entry))
  if (!treeHash(hashes).equals(root)) throw new Error('the entries do not lead to the root')
  for (let level = 0; hashes.length > 0; level += 1) {
    for (const { path, full, index, width } of tilesOf(hashes.length, String(level), 0)) {
      const bytes = (await must(path, full)).subarray(0, 32 * width)
      const expected = Buffer.concat(hashes.slice(index * 256, index * 256 + width))
      if (!bytes.equals(expected)) throw new Error(`${path} is not the tile of this tree`)
    }
    const parents = Array.from({ length: Math.floor(hashes.length / 256) }, (_, at) => treeHash(hashes.slice(at * 256, (at + 1) * 256)))
    hashes = parents
  }
  return { origin, size, entries, paths }
}

function tilesOf(count: number, level: string, first: number): readonly { path: string; full: string; index: number; width: number }[] {
  const tiles = []
  for (let index = first; index * 256 < count; index += 1) {
    const width = Math.min(256, count - index * 256)
    const full = `tile/${level}/${place(index)}`
    tiles.push({ path: width < 256 ? `${full}.p/${width}` : full, full, index, width })
  }
  return tiles
}

/** 1234067 is x001/x234/067. */
function place(index: number): string {
  const last = String(index % 1000).padStart(3, '0')
  let rest = Math.floor(index / 1000)
  const groups = [last]
  for (; rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`)
  return groups.join('/')
}

function entriesOf(bundle: Buffer): readonly Buffer[] {
  const entries: Buffer[] = []
  for (let at = 0; at < bundle.length;) {
    const length = bundle.readUInt16BE(at)
    entries.push(bundle.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return entries
}

function treeHash(hashes: readonly Buffer[]): Buffer {
  const [only] = hashes
  if (only === undefined) return sha256()
  if (hashes.length === 1) return only
  const split = 2 ** Math.ceil(Math.log2(hashes.length) - 1)
  return sha256(Buffer.from([1]), treeHash(hashes.slice(0, split)), treeHash(hashes.slice(split)))
}

function openNote(note: string, publicKey: Uint8Array): { readonly origin: string; readonly size: number; readonly root: Buffer } {
  const [text, signatures] = [note.slice(0, note.indexOf('\n\n') + 1), note.slice(note.indexOf('\n\n') + 2)]
  const [origin = '', size = '', root = ''] = text.split('\n')
  const keyId = sha256(Buffer.from(`${origin}\n`), Buffer.from([1]), publicKey).subarray(0, 4)
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  const signed = signatures.split('\n').some((line) => {
    const [dash, name, encoded = ''] = line.split(' ')
    const bytes = Buffer.from(encoded, 'base64')
    return (
      dash === '\u2014' && name === origin && bytes.subarray(0, 4).equals(keyId) && verify(null, Buffer.from(text), key, bytes.subarray(4))
    )
  })
  if (!signed) throw new Error('the log has not signed its checkpoint')
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') }
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
