// The address of an LFS server that a repository names in its .lfsconfig. Whoever pushes writes that file: what it says is a wish, and the network policy
// of remotes decides.
import { lfsConfigBytesMax, lfsUrlBytesMax } from '../core/limits.js'
import { readObjects } from '../git/cat-file.js'
import type { TreeSource } from './head-tree.js'
import { parseCommit, parseTree } from './object-links.js'

/** The file, at the top of a repository. */
export const lfsConfigName = '.lfsconfig'

/**
 * The `lfs.url` of a .lfsconfig.
 *
 * @param body - the whole file; attacker-controlled.
 * @returns as written, the last one when there are several; null when it names none, or is longer than any URL we would ask.
 *
 * Source: git-lfs-config(5); git-config(5), "Syntax". A line we do not understand is passed over.
 */
export function parseLfsConfig(body: Buffer): string | null {
  if (body.length > lfsConfigBytesMax) return null
  let inSection = false
  let found: string | null = null
  for (const line of body.toString('utf8').split('\n')) {
    if (/^\s*\[/.test(line)) inSection = /^\s*\[lfs\]\s*$/i.test(line)
    const [, value] = /^\s*url\s*=\s*(\S{1,4096})\s*$/i.exec(line) ?? []
    if (inSection && value !== undefined) found = value.replace(/^"(.*)"$/, '$1')
  }
  return found === null || found === '' || Buffer.byteLength(found) > lfsUrlBytesMax ? null : found
}

/**
 * The LFS server that HEAD names.
 *
 * @param source - null when HEAD names nothing.
 * @param before - what the deposit before said: a pack carries only what changed.
 * @returns null when none is named.
 * @throws EscrowError `GIT_FAILED`, `PACK_CORRUPT`
 */
export async function readLfsUrl(source: TreeSource | null, before: string | null, signal?: AbortSignal): Promise<string | null> {
  if (source === null) return null
  const { gitDir, oidBytes } = source
  const read = async (oid: string) => {
    for await (const object of readObjects(gitDir, [oid], undefined, signal)) return object
    return null
  }
  const commit = await read(source.commit)
  if (commit?.type !== 'commit') return before
  const tree = await read(parseCommit(commit.body, oidBytes).tree)
  if (tree?.type !== 'tree') return before
  const entry = parseTree(tree.body, oidBytes).find(({ kind, name }) => kind === 'blob' && name.toString('latin1') === lfsConfigName)
  if (entry === undefined) return null
  const blob = await read(entry.oid)
  return blob === null ? before : parseLfsConfig(blob.body)
}
