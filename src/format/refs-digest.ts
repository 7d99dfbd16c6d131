// One digest over all that a remote says about its refs: equal digests mean that nothing moved, and a restored repository must give the same.
import { createHash } from 'node:crypto'
import { EscrowError } from '../core/errors.js'
import { isRefName } from './ids.js'

/** One ref; `src/git`'s RemoteRef and the inventory's refs fit. */
export interface ListedRef {
  readonly name: string
  readonly oid: string
  /** For an annotated tag: what it finally points to. */
  readonly peeled?: string | undefined
  /** For a symbolic ref: the ref it names. */
  readonly symref?: string | undefined
}

/** HEAD: a branch (born or not), a detached commit, or nothing. */
export type ListedHead =
  | { readonly kind: 'branch'; readonly ref: string; readonly oid: string | null }
  | { readonly kind: 'detached'; readonly oid: string }
  | { readonly kind: 'none' }

/** A whole listing; refs ascending by name in byte order. */
export interface ListedRefs {
  readonly objectFormat: 'sha1' | 'sha256'
  readonly head: ListedHead
  readonly refs: readonly ListedRef[]
}

/**
 * Digest of a listing.
 *
 * @param listing - attacker-controlled. An inventory is a listing too.
 * @returns SHA-256 in hex.
 * @throws EscrowError `FORMAT_INVALID` when refs are not strictly ascending by the bytes of their names, or a name or id is not one: two
 *   listings must never give one text.
 *
 * Source: docs/formats/manifest.md, "Refs digest".
 */
export function digestRefs(listing: ListedRefs): string {
  const oid = listing.objectFormat === 'sha1' ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/
  const hash = createHash('sha256')
  hash.update(`escrow-refs/v1 ${listing.objectFormat}\nHEAD ${headText(listing.head, oid)}\n`)
  let previous = ''
  let text = ''
  for (const ref of listing.refs) {
    if (!ascends(previous, checked(ref.name, isRefName))) throw invalid('refs ascending by name, each once')
    previous = ref.name
    text += refText(ref, oid)
    // One update for each ref would cost more than the hashing.
    if (text.length < hashedTextMin) continue
    hash.update(text)
    text = ''
  }
  return hash.update(text).digest('hex')
}

const hashedTextMin = 16 * 1024
/** From here on UTF-16 orders otherwise than UTF-8. */
const surrogateOrBeyond = /[\ud800-\uffff]/

/** Whether the bytes of one name come before those of the other. */
function ascends(left: string, right: string): boolean {
  if (!surrogateOrBeyond.test(left) && !surrogateOrBeyond.test(right)) return left < right
  return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0
}

function headText(head: ListedHead, oid: RegExp): string {
  if (head.kind === 'none') return 'none'
  if (head.kind === 'detached') return `detached ${checkedOid(head.oid, oid)}`
  return `branch ${checked(head.ref, isRefName)} ${head.oid === null ? 'unborn' : checkedOid(head.oid, oid)}`
}

function refText(ref: ListedRef, oid: RegExp): string {
  const peeled = ref.peeled === undefined ? '' : ` peeled ${checkedOid(ref.peeled, oid)}`
  const symref = ref.symref === undefined ? '' : ` symref ${checked(ref.symref, isRefName)}`
  return `${ref.name} ${checkedOid(ref.oid, oid)}${peeled}${symref}\n`
}

/** Valid names have neither spaces nor line feeds, so the text can be read in one way only. */
function checked(name: string, rule: (name: string) => boolean): string {
  if (!rule(name)) throw invalid('valid ref names')
  return name
}

function checkedOid(oid: string, pattern: RegExp): string {
  if (!pattern.test(oid)) throw invalid(`ids of the listing's object format, got one of ${oid.length} characters`)
  return oid
}

function invalid(expected: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `ref listing: expected ${expected}`)
}
