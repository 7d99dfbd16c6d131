// Gathers what docs/COMPLETENESS.md asks of HEAD's files, while the tree is walked. Memory has a bound whatever the tree holds, and the same
// tree gives the same lists in whatever order it is walked: each list keeps the first paths of the alphabet.
import { binariesListedMax, dependencyFilesMax, manifestBytesMax, manifestsBytesMax, recipesListedMax } from '../core/limits.js'
import { checkListEdition } from '../format/check-list.js'
import type { Contents, DependencyFile, SbomFormat } from '../format/contents.js'
import type { TreeFile } from './head-tree.js'
import { projectFileOf } from './project-files.js'
import { readManifest } from './read-manifest.js'

/** What the pack at hand leaves to the inventory before. */
export interface ContentsBefore {
  /** Null for a full deposit, and after an inventory that has no contents. */
  readonly contents: Contents | null
  /** Whether a path is as it was. */
  readonly carried: (path: string) => boolean
  /** Whether there is any such path at all. */
  readonly anyCarried: boolean
  /** Whether a limit ended the walk. */
  readonly cut: boolean
}

/** Takes in the files of a tree, some of them with what they say. */
export class ContentsFound {
  private readonly dependencies = new FirstByPath<DependencyFile>(dependencyFilesMax)
  private readonly binaries = new FirstByPath<Contents['binaries'][number]>(binariesListedMax)
  private readonly sboms = new FirstByPath<Contents['sboms'][number]>(recipesListedMax)
  private readonly documentation = new FirstByPath<{ readonly path: string }>(recipesListedMax)
  private readonly asked = new Set<string>()
  private readBytes = 0

  /**
   * Take in a file of the tree.
   *
   * @returns whether its content is to be given to `read`. A file that the pack does not carry is as the inventory before has it.
   */
  add(file: TreeFile): boolean {
    if (file.kind !== 'blob' || file.sizeBytes === null) return false
    const { path, sizeBytes } = file
    const found = projectFileOf(file)
    switch (found?.kind) {
      case undefined:
        return false
      case 'binary':
        if (sizeBytes > 0) this.binaries.add({ path, sizeBytes })
        return false
      case 'documentation':
        if (sizeBytes > 0) this.documentation.add({ path })
        return false
      case 'sbom': {
        const willRead = this.willRead(file)
        if (!willRead) this.sboms.add({ path, format: 'unread' })
        return willRead
      }
      case 'dependencies': {
        const { ecosystem, role } = found
        const willRead = role === 'manifest' && this.willRead(file)
        if (role === 'lockfile') this.dependencies.add({ role, path, ecosystem })
        else if (!willRead) this.dependencies.add({ role, path, ecosystem, declared: null, loose: 0 })
        return willRead
      }
      default:
        return found satisfies never
    }
  }

  private willRead({ path, sizeBytes }: TreeFile): boolean {
    const bytes = sizeBytes ?? manifestsBytesMax
    if (bytes > manifestBytesMax || this.readBytes + bytes > manifestsBytesMax) return false
    this.readBytes += bytes
    this.asked.add(path)
    return true
  }

  /** Look into a file, if `add` has asked for it. @param body - attacker-controlled. */
  read(file: TreeFile, body: Buffer): void {
    if (!this.asked.delete(file.path)) return
    const found = projectFileOf(file)
    const { path } = file
    if (found?.kind === 'sbom') {
      const format = sbomFormatOf(body)
      if (format !== null) this.sboms.add({ path, format })
    } else if (found?.kind === 'dependencies' && found.role === 'manifest') {
      const { ecosystem, role } = found
      this.dependencies.add({ role, path, ecosystem, ...readManifest(ecosystem, file.name, body) })
    }
  }

  /** Everything found, with what the inventory before knew of the rest. */
  finish({ contents, carried, anyCarried, cut }: ContentsBefore): Contents {
    const before = contents ?? { dependencies: [], binaries: [], sboms: [], documentation: [], whole: !anyCarried }
    for (const file of before.dependencies) if (carried(file.path)) this.dependencies.add(file)
    for (const file of before.binaries) if (carried(file.path)) this.binaries.add(file)
    for (const file of before.sboms) if (carried(file.path)) this.sboms.add(file)
    for (const path of before.documentation) if (carried(path)) this.documentation.add({ path })
    const lists = {
      dependencies: this.dependencies.finish(),
      binaries: this.binaries.finish(),
      sboms: this.sboms.finish(),
      documentation: this.documentation.finish().map(({ path }) => path),
    }
    const dropped = [this.dependencies, this.binaries, this.sboms, this.documentation].some((list) => list.hasDropped)
    return { edition: checkListEdition, whole: !cut && !dropped && (before.whole || !anyCarried), ...lists }
  }
}

/** What an SBOM says that it is; null for a file that only has such a name. */
function sbomFormatOf(body: Buffer): SbomFormat | null {
  const text = body.toString('latin1')
  if (/"bomFormat"\s*:\s*"CycloneDX"|xmlns(?::\w{1,20})?="https?:\/\/cyclonedx\.org\/schema\/bom\//.test(text)) return 'cyclonedx'
  return /"spdxVersion"\s*:|"@context"\s*:\s*"https:\/\/spdx\.org|^SPDXVersion:|^spdxVersion:|xmlns:spdx=/m.test(text) ? 'spdx' : null
}

/** The first entries by path, at most so many. */
class FirstByPath<T extends { readonly path: string }> {
  /** Whether something had to be left out; known after `finish`. */
  hasDropped = false
  private kept: T[] = []

  constructor(private readonly countMax: number) {}

  add(entry: T): void {
    this.kept.push(entry)
    if (this.kept.length >= 2 * this.countMax) this.trim()
  }

  finish(): T[] {
    this.trim()
    return this.kept
  }

  private trim(): void {
    this.kept.sort((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0))
    if (this.kept.length > this.countMax) this.hasDropped = true
    this.kept = this.kept.slice(0, this.countMax)
  }
}
