// Walks the tree of HEAD through what the pack carries, some hundred folders at a time: memory grows with folders waiting, not with files.
import { inventoryDepthMax, inventoryFilesMax, inventoryPathBytesMax } from '../core/limits.js'
import type { ObjectReader } from '../git/object-reader.js'
import { showName } from './file-names.js'
import { parseCommit, parseTree, type TreeEntry } from './object-links.js'

/** A file or submodule of HEAD's tree. */
export interface TreeFile {
  readonly path: string
  /** The last part of the path. */
  readonly name: string
  /** How many folders it lies in. */
  readonly depth: number
  readonly oid: string
  readonly kind: Exclude<TreeEntry['kind'], 'tree'>
  /** Null for a submodule, and for a file that this pack does not carry. */
  readonly sizeBytes: number | null
}

/** What was not looked at. */
export interface TreeGaps {
  /** Folders, files and (as the empty string) the whole tree that the pack does not carry: they are as the archive has them already. */
  readonly carriedBefore: ReadonlySet<string>
  /** Whether a limit ended the walk. */
  readonly cut: boolean
}

interface Folder {
  readonly path: string
  readonly depth: number
  readonly oid: string
}

const foldersAtOnce = 512

/** A repository on scratch, and where to begin. */
export interface TreeSource {
  readonly gitDir: string
  readonly oidBytes: number
  /** Commit whose tree is walked. */
  readonly commit: string
}

/** The same, with the git that reads it. */
export interface OpenTree extends Omit<TreeSource, 'gitDir'> {
  readonly objects: ObjectReader
}

/**
 * Walk a tree.
 *
 * @param visit - is given the files of some folders at once, in no particular order. Paths are escaped (`showName`).
 * @returns what was not looked at.
 * @throws EscrowError `PACK_CORRUPT` for a tree that cannot be parsed; `GIT_FAILED`
 */
export async function walkTree(source: OpenTree, visit: (files: readonly TreeFile[]) => Promise<void>): Promise<TreeGaps> {
  const gaps = { carriedBefore: new Set<string>(), cut: false }
  const open: Folder[] = []
  for await (const commit of source.objects.read([source.commit])) {
    if (commit?.type !== 'commit') gaps.carriedBefore.add('')
    else open.push({ path: '', depth: 0, oid: parseCommit(commit.body, source.oidBytes).tree })
  }
  let files = 0
  while (open.length > 0) {
    const found = await readFolders(source, open.splice(-foldersAtOnce), open, gaps)
    files += found.length
    if (files > inventoryFilesMax) return { ...gaps, cut: true }
    await visit(await withSizes(source, found, gaps))
  }
  return gaps
}

type Gaps = { carriedBefore: Set<string>; cut: boolean }

async function readFolders(source: OpenTree, folders: readonly Folder[], open: Folder[], gaps: Gaps): Promise<readonly TreeFile[]> {
  const files: TreeFile[] = []
  let next = 0
  for await (const tree of source.objects.read(folders.map((folder) => folder.oid))) {
    const folder = folders[next]
    next += 1
    if (folder === undefined) break
    if (tree?.type !== 'tree') gaps.carriedBefore.add(folder.path)
    else for (const entry of parseTree(tree.body, source.oidBytes)) sortEntry(folder, entry, { files, open, gaps })
  }
  return files
}

function sortEntry(folder: Folder, entry: TreeEntry, into: { files: TreeFile[]; open: Folder[]; gaps: Gaps }): void {
  const name = showName(entry.name)
  const path = folder.path === '' ? name : `${folder.path}/${name}`
  if (path.length > inventoryPathBytesMax || folder.depth >= inventoryDepthMax || into.open.length > inventoryFilesMax) {
    into.gaps.cut = true
  } else if (entry.kind === 'tree') {
    into.open.push({ path, depth: folder.depth + 1, oid: entry.oid })
  } else {
    into.files.push({ path, name, depth: folder.depth, oid: entry.oid, kind: entry.kind, sizeBytes: null })
  }
}

async function withSizes(source: OpenTree, files: readonly TreeFile[], gaps: Gaps): Promise<readonly TreeFile[]> {
  const oids = new Set(files.filter((file) => file.kind !== 'gitlink').map((file) => file.oid))
  const heads = await source.objects.stat([...oids])
  return files.map((file) => {
    const head = heads.get(file.oid)
    if (head === undefined && file.kind !== 'gitlink') gaps.carriedBefore.add(file.path)
    return head === undefined ? file : { ...file, sizeBytes: head.sizeBytes }
  })
}
