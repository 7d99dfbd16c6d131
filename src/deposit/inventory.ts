// What is in HEAD's tree, by name: for people who will have to build from it one day. It is not proof of anything. An incremental carries
// only folders that changed; what it does not carry is as the inventory before says, if the folder was at that place before: a folder put
// back to an older state keeps the entries of the deposit before.
import {
  gitmodulesBytesMax,
  largestFilesMax,
  lfsConfigBytesMax,
  lfsListedMax,
  lfsPointerBytesMax,
  recipesListedMax,
  recipeDepthMax,
} from '../core/limits.js'
import type { Inventory } from '../format/manifest.js'
import { ObjectReader } from '../git/object-reader.js'
import { ContentsFound } from './contents.js'
import { isBuildRecipe, isLicence } from './file-names.js'
import { parseGitmodules } from './gitmodules.js'
import { walkTree, type TreeFile, type TreeGaps, type TreeSource } from './head-tree.js'
import { lfsConfigName, parseLfsConfig } from './lfs-config.js'
import { lfsPointerBytesMin, parseLfsPointer } from './lfs-pointer.js'

/** What an inventory says about files. */
export type FileInventory = Pick<Inventory, 'lfs' | 'lfsUrl' | 'submodules' | 'largestFiles' | 'buildRecipes' | 'licences' | 'contents'>

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
): Promise<FileInventory> {
  const found = new FoundFiles()
  if (source === null) return found.finish(noFiles, { carriedBefore: new Set(), cut: false })
  const objects = new ObjectReader(source.gitDir, signal)
  try {
    const gaps = await walkTree({ ...source, objects }, async (files) => {
      const wanted = files.filter((file) => found.add(file))
      await found.readSmall(objects, wanted)
    })
    return found.finish(previous ?? noFiles, gaps)
  } finally {
    objects.close()
  }
}

class FoundFiles {
  private readonly lfs: FileInventory['lfs'] = []
  private readonly gitlinks: { path: string; commit: string }[] = []
  private readonly contents = new ContentsFound()
  private largest: FileInventory['largestFiles'] = []
  private readonly buildRecipes: string[] = []
  private readonly licences: string[] = []
  private urls: ReadonlyMap<string, string> = new Map()
  private lfsUrl: string | null = null

  /** @returns whether its content is to be read. */
  add(file: TreeFile): boolean {
    if (file.kind === 'gitlink') {
      if (this.gitlinks.length < lfsListedMax) this.gitlinks.push({ path: file.path, commit: file.oid })
      return false
    }
    if (file.sizeBytes === null) return false
    this.addLargest({ path: file.path, sizeBytes: file.sizeBytes })
    if (file.depth <= recipeDepthMax) {
      if (isBuildRecipe(file.name) && this.buildRecipes.length < recipesListedMax) this.buildRecipes.push(file.path)
      if (isLicence(file.name) && this.licences.length < recipesListedMax) this.licences.push(file.path)
    }
    // In this order: every file is to be counted, whatever else it is.
    return this.contents.add(file) || mayBePointer(file) || isGitmodules(file) || isLfsConfig(file)
  }

  /** LFS pointers, .gitmodules, .lfsconfig, dependency manifests and SBOMs: the only contents that an inventory reads. */
  async readSmall(objects: ObjectReader, files: readonly TreeFile[]): Promise<void> {
    const oids = files.map((file) => file.oid)
    let next = 0
    for await (const blob of objects.read(oids)) {
      const file = files[next]
      next += 1
      if (blob === null || file === undefined) continue
      if (file.path === '.gitmodules') this.urls = parseGitmodules(blob.body)
      if (file.path === lfsConfigName) this.lfsUrl = parseLfsConfig(blob.body)
      this.contents.read(file, blob.body)
      const pointer = parseLfsPointer(blob.body)
      if (pointer !== null && this.lfs.length < lfsListedMax) this.lfs.push({ path: file.path, ...pointer })
    }
  }

  finish(previous: FileInventory, gaps: TreeGaps): FileInventory {
    const carried = (path: string): boolean => isCarried(path, gaps.carriedBefore)
    const urlBefore = new Map(previous.submodules.map((module) => [module.path, module.url]))
    const submodules = this.gitlinks.map((link) => ({ ...link, url: this.urls.get(link.path) ?? urlBefore.get(link.path) ?? '' }))
    const submodulesBefore = previous.submodules
      .filter((module) => carried(module.path))
      .map(({ path, url, commit }) => ({ path, url, commit }))
    for (const file of previous.largestFiles) if (carried(file.path)) this.addLargest(file)
    const lfsUrl = carried(lfsConfigName) ? (previous.lfsUrl ?? null) : this.lfsUrl
    const before = { contents: previous.contents ?? null, carried, anyCarried: gaps.carriedBefore.size > 0, cut: gaps.cut }
    return {
      lfs: byPath([...this.lfs, ...previous.lfs.filter((file) => carried(file.path))]).slice(0, lfsListedMax),
      submodules: byPath([...submodules, ...submodulesBefore]).slice(0, lfsListedMax),
      largestFiles: bySize(this.largest).slice(0, largestFilesMax),
      buildRecipes: [...this.buildRecipes, ...previous.buildRecipes.filter(carried)].sort().slice(0, recipesListedMax),
      licences: [...this.licences, ...previous.licences.filter(carried)].sort().slice(0, recipesListedMax),
      contents: this.contents.finish(before),
      ...(lfsUrl === null ? {} : { lfsUrl }),
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
const mayBePointer = (file: TreeFile): boolean => isSized(file, lfsPointerBytesMin, lfsPointerBytesMax - 1)
const isLfsConfig = (file: TreeFile): boolean => file.path === lfsConfigName && isSized(file, 1, lfsConfigBytesMax)
const isGitmodules = (file: TreeFile): boolean => file.path === '.gitmodules' && isSized(file, 0, gitmodulesBytesMax)

const byPath = <T extends { readonly path: string }>(files: T[]): T[] => files.sort((a, b) => (a.path < b.path ? -1 : 1))
const bySize = <T extends { readonly path: string; readonly sizeBytes: number }>(files: readonly T[]): T[] =>
  [...files].sort((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1))
