// What is in HEAD's tree and what is missing from it, by name: for people who will have to build from it one day. It is not proof of
// anything. An incremental carries only folders that changed; what it does not carry is as the inventory before says, if the folder was
// at that place before: a folder put back to an older state keeps the entries of the deposit before.
import { gitmodulesBytesMax, largestFilesMax, lfsListedMax, lfsPointerBytesMax, recipesListedMax, recipeDepthMax } from '../core/limits.js'
import type { Finding, Inventory } from '../format/manifest.js'
import { readObjects } from '../git/cat-file.js'
import { isBuildRecipe, isLicence } from './file-names.js'
import { parseGitmodules } from './gitmodules.js'
import { walkTree, type TreeFile, type TreeGaps, type TreeSource } from './head-tree.js'
import { lfsPointerBytesMin, parseLfsPointer } from './lfs-pointer.js'

/** What an inventory says about files. */
export type FileInventory = Pick<Inventory, 'lfs' | 'submodules' | 'largestFiles' | 'buildRecipes' | 'licences'>

/** Files, and what is to be said about them. */
export interface InventoriedFiles {
  readonly files: FileInventory
  readonly findings: readonly Finding[]
}

/** No files at all: an empty repository, or a HEAD that names nothing. */
export const noFiles: FileInventory = { lfs: [], submodules: [], largestFiles: [], buildRecipes: [], licences: [] }

/**
 * Look through HEAD's tree.
 *
 * @param source - the scratch repository and HEAD's commit; null when HEAD names nothing.
 * @param previous - the inventory before, for what this pack does not carry; null for a full deposit.
 * @returns lists within their limits, sorted by path; the largest files by size.
 * @throws EscrowError `PACK_CORRUPT`, `GIT_FAILED`
 */
export async function inventoryFiles(
  source: TreeSource | null,
  previous: FileInventory | null,
  signal?: AbortSignal,
): Promise<InventoriedFiles> {
  if (source === null) return { files: noFiles, findings: [] }
  const found = new FoundFiles()
  const gaps = await walkTree(
    source,
    async (files) => {
      for (const file of files) found.add(file)
      await found.readSmall(source.gitDir, files, signal)
    },
    signal,
  )
  const files = found.finish(previous ?? noFiles, gaps)
  return { files, findings: findingsOf(files) }
}

class FoundFiles {
  private readonly lfs: FileInventory['lfs'] = []
  private readonly gitlinks: { path: string; commit: string }[] = []
  private largest: FileInventory['largestFiles'] = []
  private readonly buildRecipes: string[] = []
  private readonly licences: string[] = []
  private urls: ReadonlyMap<string, string> = new Map()

  add(file: TreeFile): void {
    if (file.kind === 'gitlink') {
      if (this.gitlinks.length < lfsListedMax) this.gitlinks.push({ path: file.path, commit: file.oid })
      return
    }
    if (file.sizeBytes === null) return
    this.addLargest({ path: file.path, sizeBytes: file.sizeBytes })
    if (file.depth > recipeDepthMax) return
    if (isBuildRecipe(file.name) && this.buildRecipes.length < recipesListedMax) this.buildRecipes.push(file.path)
    if (isLicence(file.name) && this.licences.length < recipesListedMax) this.licences.push(file.path)
  }

  /** LFS pointers and .gitmodules: the only contents that an inventory reads. */
  async readSmall(gitDir: string, files: readonly TreeFile[], signal?: AbortSignal): Promise<void> {
    const candidates = files.filter((file) => isSized(file, lfsPointerBytesMin, lfsPointerBytesMax - 1) || isGitmodules(file))
    let next = 0
    for await (const blob of readObjects(
      gitDir,
      candidates.map((file) => file.oid),
      undefined,
      signal,
    )) {
      const path = candidates[next]?.path ?? ''
      next += 1
      if (blob === null) continue
      if (path === '.gitmodules') this.urls = parseGitmodules(blob.body)
      const pointer = parseLfsPointer(blob.body)
      if (pointer !== null && this.lfs.length < lfsListedMax) this.lfs.push({ path, ...pointer })
    }
  }

  finish(previous: FileInventory, gaps: TreeGaps): FileInventory {
    const carried = (path: string): boolean => isCarried(path, gaps.carriedBefore)
    const urlBefore = new Map(previous.submodules.map((module) => [module.path, module.url]))
    const submodules = this.gitlinks.map((link) => ({ ...link, url: this.urls.get(link.path) ?? urlBefore.get(link.path) ?? '' }))
    for (const file of previous.largestFiles) if (carried(file.path)) this.addLargest(file)
    return {
      lfs: byPath([...this.lfs, ...previous.lfs.filter((file) => carried(file.path))]).slice(0, lfsListedMax),
      submodules: byPath([...submodules, ...previous.submodules.filter((module) => carried(module.path))]).slice(0, lfsListedMax),
      largestFiles: bySize(this.largest).slice(0, largestFilesMax),
      buildRecipes: [...this.buildRecipes, ...previous.buildRecipes.filter(carried)].sort().slice(0, recipesListedMax),
      licences: [...this.licences, ...previous.licences.filter(carried)].sort().slice(0, recipesListedMax),
    }
  }

  private addLargest(file: FileInventory['largestFiles'][number]): void {
    this.largest.push(file)
    if (this.largest.length >= 10 * largestFilesMax) this.largest = bySize(this.largest).slice(0, largestFilesMax)
  }
}

/** Whether a path, or a folder above it, was not carried by this pack. */
function isCarried(path: string, carriedBefore: ReadonlySet<string>): boolean {
  if (carriedBefore.size === 0) return false
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (carriedBefore.has(path.slice(0, end))) return true
  }
  return carriedBefore.has('')
}

const isSized = (file: TreeFile, min: number, max: number): boolean =>
  file.kind === 'blob' && file.sizeBytes !== null && file.sizeBytes >= min && file.sizeBytes <= max
const isGitmodules = (file: TreeFile): boolean => file.path === '.gitmodules' && isSized(file, 0, gitmodulesBytesMax)

const byPath = <T extends { readonly path: string }>(files: T[]): T[] => files.sort((a, b) => (a.path < b.path ? -1 : 1))
const bySize = <T extends { readonly path: string; readonly sizeBytes: number }>(files: readonly T[]): T[] =>
  [...files].sort((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1))

function findingsOf(files: FileInventory): readonly Finding[] {
  const pointers = files.lfs.map((file): Finding => ({
    code: 'LFS_POINTER',
    severity: 'warning',
    subject: file.path,
    detail: `stands for ${file.sizeBytes} bytes, sha256 ${file.oid}`,
  }))
  const unmatched = files.submodules
    .filter((module) => module.url === '')
    .map((module): Finding => ({
      code: 'SUBMODULE_UNMATCHED',
      severity: 'warning',
      subject: module.path,
      detail: `commit ${module.commit} of a repository that .gitmodules does not name`,
    }))
  return [...pointers, ...unmatched, ...missing(files)]
}

function missing(files: FileInventory): readonly Finding[] {
  const finding = (code: 'BUILD_RECIPE_MISSING' | 'LICENCE_MISSING', what: string): Finding => ({
    code,
    severity: 'info',
    subject: 'HEAD',
    detail: `no file that looks like ${what} in the first ${recipeDepthMax + 1} levels of folders`,
  })
  return [
    ...(files.buildRecipes.length === 0 ? [finding('BUILD_RECIPE_MISSING', 'a build recipe')] : []),
    ...(files.licences.length === 0 ? [finding('LICENCE_MISSING', 'a licence')] : []),
  ]
}
