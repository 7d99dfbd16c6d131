// What lies in an archive, told from its keys alone: agreements, their documents, sources and deposits. It serves whoever has only a copy of
// the tree, and a server that must build its index anew. Trusts nothing: names that are not of the layout are passed over, documents have
// a size cap before they are read, and what they say is verified elsewhere (archive-agreement.ts, source-history.ts).
import { EscrowError } from '../core/errors.js'
import { archiveObjectsMax } from '../core/limits.js'
import { AgreementId, Slug } from '../format/ids.js'
import { DepositKind } from '../format/manifest.js'
import type { ExpectedObject } from './expected-object.js'
import { objectKeys, parseObjectKey, type DepositPlace, type ObjectKey } from './object-key.js'
import type { ObjectStore } from './object-store.js'
import { readStream } from './verified-read.js'

/** A deposit's folder, and what lies in it. */
export interface DepositFolder {
  readonly place: DepositPlace
  /** Sizes in bytes by name. */
  readonly files: ReadonlyMap<string, number>
}

/** What lies below one agreement. */
export interface AgreementTree {
  readonly agreement: AgreementId
  /** Versions whose document is there, ascending. */
  readonly versions: readonly number[]
  /** Keys below `vault-<version>/`, by version. */
  readonly vaultStatements: ReadonlyMap<number, readonly ObjectKey[]>
  /** By source, in order of sequence; what no manifest names is among it. */
  readonly sources: ReadonlyMap<string, readonly DepositFolder[]>
}

/** Reads the layout of docs/formats and DESIGN section 4 back. */
export class ArchiveReader {
  /**
   * @param store - any store; a copied tree is read through `FsObjectStore`.
   * @param onRead - hears of every document that was read whole.
   */
  constructor(
    readonly store: ObjectStore,
    private readonly onRead?: (key: ObjectKey, bytes: Uint8Array) => void,
  ) {}

  /**
   * The agreements of which anything is there, by id.
   *
   * @throws EscrowError `STORE_*`; `FORMAT_INVALID` when there is more than any archive has
   */
  async agreements(signal?: AbortSignal): Promise<readonly AgreementId[]> {
    const found = new Set<AgreementId>()
    for await (const key of this.keys('agreements/', signal)) {
      const id = AgreementId.safeParse(key.key.split('/')[1])
      if (id.success) found.add(id.data)
    }
    return [...found].sort()
  }

  /**
   * Everything below one agreement. @param source - look at this source only.
   *
   * @returns empty lists when there is nothing.
   * @throws EscrowError `STORE_*`, `FORMAT_INVALID`
   */
  async tree(agreement: AgreementId, source?: string, signal?: AbortSignal): Promise<AgreementTree> {
    const versions: number[] = []
    const vaultStatements = new Map<number, ObjectKey[]>()
    const folders = new Map<string, { place: DepositPlace; files: Map<string, number> }>()
    for await (const { key, sizeBytes } of this.keys(`agreements/${agreement}/`, signal)) {
      const parts = key.split('/').slice(2)
      const version = versionOf(parts)
      if (version !== null) versions.push(version)
      const vaultVersion = vaultVersionOf(parts)
      if (vaultVersion !== null) listIn(vaultStatements, vaultVersion).push(key)
      const file = depositFileOf(agreement, parts)
      if (file === null || (source !== undefined && file.place.source !== source)) continue
      const name = `${file.place.source}/${parts[2] ?? ''}`
      const folder = folders.get(name) ?? { place: file.place, files: new Map<string, number>() }
      folders.set(name, folder)
      folder.files.set(file.name, sizeBytes)
    }
    return { agreement, versions: versions.sort((left, right) => left - right), vaultStatements, sources: bySource([...folders.values()]) }
  }

  /**
   * A small document, whole.
   *
   * @param sizeMax - bytes; a longer object is refused before it is in memory.
   * @throws EscrowError `OBJECT_MISSING`, `FORMAT_INVALID`, `STORE_*`
   */
  async read(key: ObjectKey, sizeMax: number, signal?: AbortSignal): Promise<Uint8Array> {
    const blocks: Uint8Array[] = []
    let sizeBytes = 0
    for await (const block of this.store.get(key, {}, signal)) {
      sizeBytes += block.length
      if (sizeBytes > sizeMax) throw new EscrowError('FORMAT_INVALID', `${key}: expected at most ${sizeMax} bytes, got more`)
      blocks.push(block)
    }
    const bytes = Buffer.concat(blocks)
    this.onRead?.(key, bytes)
    return bytes
  }

  /**
   * A file that a verified manifest names. With part digests every block is verified before it is given.
   *
   * @throws EscrowError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_*`, at any block
   */
  open(key: ObjectKey, expected: ExpectedObject, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readStream([{ name: 'archive', store: this.store }], { key, expected }, signal)
  }

  private async *keys(prefix: string, signal?: AbortSignal): AsyncGenerator<{ readonly key: ObjectKey; readonly sizeBytes: number }> {
    let count = 0
    for await (const object of this.store.list(prefix, signal)) {
      count += 1
      if (count > archiveObjectsMax)
        throw new EscrowError('FORMAT_INVALID', `expected at most ${archiveObjectsMax} objects below ${prefix}`)
      yield object
    }
  }
}

/** Where a file of a deposit lies. @param name - as its manifest names it. @throws EscrowError `OBJECT_KEY_INVALID` */
export function depositFileKey(place: DepositPlace, name: string): ObjectKey {
  const manifest = objectKeys.manifest(place)
  return parseObjectKey(`${manifest.slice(0, manifest.lastIndexOf('/') + 1)}${name}`)
}

function versionOf(parts: readonly string[]): number | null {
  return parts.length === 1 ? numberIn(/^agreement-([1-9]\d{0,6})\.json$/, parts[0]) : null
}

function vaultVersionOf(parts: readonly string[]): number | null {
  return parts.length === 2 ? numberIn(/^vault-([1-9]\d{0,6})$/, parts[0]) : null
}

function numberIn(pattern: RegExp, text: string | undefined): number | null {
  const [, digits] = pattern.exec(text ?? '') ?? []
  return digits === undefined ? null : Number(digits)
}

/** `sources/<source>/<sequence>-<kind>/<name>`, in the one spelling that `objectKeys` gives. */
function depositFileOf(agreement: AgreementId, parts: readonly string[]): { readonly place: DepositPlace; readonly name: string } | null {
  const [sources, source, folder = '', name, ...deeper] = parts
  const [, digits, kindText] = /^(\d{10})-([a-z]{1,20})$/.exec(folder) ?? []
  const kind = DepositKind.safeParse(kindText)
  const named = Slug.safeParse(source)
  const sequence = Number(digits)
  if (sources !== 'sources' || !named.success || !kind.success || !(sequence >= 1) || name === undefined || deeper.length > 0) return null
  return { place: { agreement, source: named.data, sequence, kind: kind.data }, name }
}

function listIn<K, V>(lists: Map<K, V[]>, key: K): V[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

function bySource(folders: readonly DepositFolder[]): ReadonlyMap<string, readonly DepositFolder[]> {
  const sources = new Map<string, DepositFolder[]>()
  for (const folder of folders) listIn(sources, folder.place.source).push(folder)
  const inOrder = (own: readonly DepositFolder[]) => own.toSorted((left, right) => left.place.sequence - right.place.sequence)
  return new Map([...sources].sort(([left], [right]) => (left < right ? -1 : 1)).map(([source, own]) => [source, inOrder(own)]))
}
