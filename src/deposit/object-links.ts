// Which objects an object names. Reads the bytes of commits, trees and tags that somebody else made; git has checked their digests,
// nothing else. Offsets instead of slices, because a large deposit has some ten million tree entries.
import { EscrowError } from '../core/errors.js'
import type { ObjectType } from '../format/manifest.js'
import type { ObjectFormat } from '../git/git-remote.js'

/** Where the raw id of a linked object lies: `oidBytes` bytes of `bytes` from `offset`. Valid only during the call. */
export type LinkVisitor = (bytes: Buffer, offset: number) => void

/** Bytes of one raw object id. */
export const oidBytesOf = (format: ObjectFormat): number => (format === 'sha1' ? 20 : 32)

/** One entry of a tree; `name` is raw bytes that an attacker chose. */
export interface TreeEntry {
  readonly kind: 'blob' | 'tree' | 'gitlink' | 'symlink'
  readonly name: Buffer
  readonly oid: string
}

const space = 0x20
const lineFeed = 0x0a

/**
 * Visit every object that an object needs. A blob needs none; the commit of a submodule (mode 160000) belongs to another repository.
 *
 * @param object - type and content.
 * @throws EscrowError `PACK_CORRUPT` when the content is not of that type.
 *
 * Source: gitformat-pack, "Object types"; git's own tree-walk.c and commit.c read the same fields in the same order.
 */
export function visitLinks(object: { readonly type: ObjectType; readonly body: Buffer }, oidBytes: number, visit: LinkVisitor): void {
  switch (object.type) {
    case 'blob':
      return
    case 'tree':
      return visitTree(object.body, oidBytes, visit)
    case 'commit': {
      const { tree, parents } = parseCommit(object.body, oidBytes)
      for (const oid of [tree, ...parents]) visit(Buffer.from(oid, 'hex'), 0)
      return
    }
    case 'tag':
      return visit(Buffer.from(parseTagTarget(object.body, oidBytes).oid, 'hex'), 0)
  }
}

/** What a commit names. */
export interface CommitLinks {
  readonly tree: string
  readonly parents: readonly string[]
}

/**
 * Read the links of a commit.
 *
 * @throws EscrowError `PACK_CORRUPT`
 */
export function parseCommit(body: Buffer, oidBytes: number): CommitLinks {
  const tree = readHeaderOid(body, 0, 'tree ', oidBytes)
  if (tree === null) throw corrupt('expected a commit to begin with its tree')
  const parents: string[] = []
  let offset = 'tree '.length + oidBytes * 2 + 1
  for (;;) {
    const parent = readHeaderOid(body, offset, 'parent ', oidBytes)
    if (parent === null) return { tree, parents }
    parents.push(parent)
    offset += 'parent '.length + oidBytes * 2 + 1
  }
}

/** What an annotated tag names, and what it claims that to be. */
export interface TagTarget {
  readonly oid: string
  readonly type: ObjectType
}

/**
 * Read what an annotated tag points to.
 *
 * @throws EscrowError `PACK_CORRUPT`
 */
export function parseTagTarget(body: Buffer, oidBytes: number): TagTarget {
  const oid = readHeaderOid(body, 0, 'object ', oidBytes)
  const offset = 'object '.length + oidBytes * 2 + 1
  const type = /^type (commit|tree|blob|tag)\n/.exec(body.toString('latin1', offset, offset + 12))?.[1]
  if (oid === null || type === undefined) throw corrupt('expected a tag to begin with its object and type')
  return { oid, type: type as ObjectType }
}

/**
 * Read the entries of a tree.
 *
 * @returns in the order they are stored; empty for the empty tree.
 * @throws EscrowError `PACK_CORRUPT`
 */
export function parseTree(body: Buffer, oidBytes: number): readonly TreeEntry[] {
  const entries: TreeEntry[] = []
  scanTree(body, oidBytes, (mode, nameStart, nameEnd) => {
    const oid = body.toString('hex', nameEnd + 1, nameEnd + 1 + oidBytes)
    entries.push({ kind: kindOf(mode), name: body.subarray(nameStart, nameEnd), oid })
  })
  return entries
}

function visitTree(body: Buffer, oidBytes: number, visit: LinkVisitor): void {
  scanTree(body, oidBytes, (mode, _, nameEnd) => {
    if (kindOf(mode) !== 'gitlink') visit(body, nameEnd + 1)
  })
}

/** `<mode in octal> <name>\0<raw id>`, again and again. */
function scanTree(body: Buffer, oidBytes: number, entry: (mode: number, nameStart: number, nameEnd: number) => void): void {
  let offset = 0
  while (offset < body.length) {
    let mode = 0
    let at = offset
    for (; body[at] !== space; at += 1) {
      const digit = (body[at] ?? 0) - 0x30
      // Seven digits at most; git itself accepts odd modes (fsck reports them), but never another character.
      if (digit < 0 || digit > 7 || at - offset > 6) throw corrupt('expected an octal mode and a space in a tree')
      mode = mode * 8 + digit
    }
    const nameEnd = body.indexOf(0, at + 1)
    const next = nameEnd + 1 + oidBytes
    if (at === offset || nameEnd <= at + 1 || next > body.length) throw corrupt('expected mode, name and id in a tree')
    entry(mode, at + 1, nameEnd)
    offset = next
  }
}

/** As git's object.h decides from the file type bits: whatever is neither folder nor link nor submodule is a file. */
function kindOf(mode: number): TreeEntry['kind'] {
  switch (mode & 0o170000) {
    case 0o040000:
      return 'tree'
    case 0o120000:
      return 'symlink'
    case 0o160000:
      return 'gitlink'
    default:
      return 'blob'
  }
}

function readHeaderOid(body: Buffer, offset: number, word: string, oidBytes: number): string | null {
  const end = offset + word.length + oidBytes * 2
  if (body.toString('latin1', offset, offset + word.length) !== word || body[end] !== lineFeed) return null
  const oid = body.toString('latin1', offset + word.length, end)
  return /^[0-9a-f]+$/.test(oid) ? oid : null
}

function corrupt(message: string): EscrowError {
  return new EscrowError('PACK_CORRUPT', message)
}
