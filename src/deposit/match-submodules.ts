// Whose repository a submodule is. Its URL is somebody else's text: compared, never fetched.
import { siblingsAskedMax } from '../core/limits.js'
import type { InventorySubmodule } from '../format/manifest.js'
import { normalizeRepositoryUrl, resolveSubmoduleUrl } from '../format/repository-url.js'

/** A source of the same agreement. */
export interface Sibling {
  readonly source: string
  /** Null where nothing is pulled. */
  readonly url: string | null
}

/** What whoever takes a deposit knows of the other sources of its agreement. */
export interface Siblings {
  /** All of them, this one included; asked once, and only where there are submodules. */
  readonly list: () => Promise<readonly Sibling[]>
  /**
   * Which of some commits the archive holds of a source.
   *
   * @returns null when that cannot be told: another has the key, or nothing is deposited in a way that answers.
   */
  readonly holds: (source: string, commits: readonly string[]) => Promise<ReadonlySet<string> | null>
}

/** A repository with submodules. */
export interface Superproject {
  readonly source: string
  readonly url: string
}

type Found = Pick<InventorySubmodule, 'path' | 'url' | 'commit'>

/**
 * Match submodules with sources of the agreement: by address, and where a source has none (it is pushed), by the pinned commit.
 *
 * @param siblings - null when nobody knows the sources: then nothing is matched.
 * @returns the submodules in the order given, with their sources, and whether the archive holds the pinned commits.
 */
export async function matchSubmodules(
  submodules: readonly Found[],
  superproject: Superproject,
  siblings: Siblings | null,
): Promise<InventorySubmodule[]> {
  if (siblings === null || submodules.length === 0) return submodules.map((module) => ({ ...module }))
  const sources = await siblings.list()
  const byUrl = new Map<string, string>()
  for (const { source, url } of sources) {
    const address = normalizeRepositoryUrl(url ?? '')
    if (address !== null && !byUrl.has(address)) byUrl.set(address, source)
  }
  const own = normalizeRepositoryUrl(superproject.url)
  const named = submodules.map((module) => {
    const address = module.url === '' ? null : resolveSubmoduleUrl(own, module.url)
    return { ...module, source: address === null ? undefined : byUrl.get(address) }
  })
  const asked = new AskedSiblings(siblings, superproject.source)
  const nameless = sources.filter(({ source, url }) => url === null && source !== superproject.source).map(({ source }) => source)
  return asked.complete(named, nameless)
}

type Named = Found & { readonly source: string | undefined }

/** Asks a limited number of sources, each for all commits at once. */
class AskedSiblings {
  private asked = 0

  constructor(
    private readonly siblings: Siblings,
    private readonly own: string,
  ) {}

  async complete(named: readonly Named[], nameless: readonly string[]): Promise<InventorySubmodule[]> {
    const held = new Map<string, ReadonlySet<string> | null>()
    for (const source of sorted(named.flatMap((module) => module.source ?? []))) {
      held.set(source, await this.ask(source, commitsOf(named.filter((module) => module.source === source))))
    }
    const holders = await this.holders(commitsOf(named.filter((module) => module.source === undefined)), nameless)
    return named.map(({ source, ...module }) => {
      if (source === undefined) {
        const holder = holders.get(module.commit)
        return holder === undefined ? module : { ...module, source: holder, held: true }
      }
      const commits = held.get(source) ?? null
      return commits === null ? { ...module, source } : { ...module, source, held: commits.has(module.commit) }
    })
  }

  /** Sources without an address, by the commits that they hold. */
  private async holders(commits: readonly string[], nameless: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    for (const source of sorted(nameless)) {
      const rest = commits.filter((commit) => !found.has(commit))
      if (rest.length === 0) break
      for (const commit of (await this.ask(source, rest)) ?? []) if (!found.has(commit)) found.set(commit, source)
    }
    return found
  }

  /** Of the source itself the deposit at hand is not in the archive yet. */
  private async ask(source: string, commits: readonly string[]): Promise<ReadonlySet<string> | null> {
    if (source === this.own || this.asked >= siblingsAskedMax) return null
    this.asked += 1
    return this.siblings.holds(source, commits)
  }
}

const sorted = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()
const commitsOf = (modules: readonly Named[]): readonly string[] => sorted(modules.map(({ commit }) => commit))
