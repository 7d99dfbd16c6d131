// What the check list of docs/COMPLETENESS.md makes of a file's name. Names are somebody else's bytes: compared in lower case, nothing more.
import { manifestDepthMax, recipeDepthMax } from '../core/limits.js'
import type { DependencyFile, Ecosystem } from '../format/contents.js'
import type { TreeFile } from './head-tree.js'

/** What a file is to the check list; most files are nothing to it. */
export type ProjectFile =
  | { readonly kind: 'dependencies'; readonly ecosystem: Ecosystem; readonly role: DependencyFile['role'] }
  | { readonly kind: 'sbom' | 'documentation' | 'binary' }

/**
 * What a file is, by its name.
 *
 * @param file - path, name and depth, as the walk gives them.
 * @returns null for most files.
 */
export function projectFileOf({ path, name, depth }: Pick<TreeFile, 'path' | 'name' | 'depth'>): ProjectFile | null {
  const lower = name.toLowerCase()
  const dependency = dependencyFileOf(lower, path)
  if (dependency !== null) return depth <= manifestDepthMax && (dependency.role === 'lockfile' || !isForeign(path)) ? dependency : null
  if (isBinary(lower) && !isWrapper(path)) return { kind: 'binary' }
  if (depth > recipeDepthMax) return null
  if (sbomName.test(lower)) return { kind: 'sbom' }
  return documentationName.test(lower) ? { kind: 'documentation' } : null
}

const manifests: Readonly<Record<string, Ecosystem>> = {
  'cargo.toml': 'cargo',
  'go.mod': 'go',
  'pom.xml': 'maven',
  'package.json': 'npm',
  'pyproject.toml': 'python',
  'setup.py': 'python',
  'setup.cfg': 'python',
  pipfile: 'python',
}
const lockfiles: Readonly<Record<string, Ecosystem>> = {
  'cargo.lock': 'cargo',
  'go.sum': 'go',
  'go.work.sum': 'go',
  'package-lock.json': 'npm',
  'npm-shrinkwrap.json': 'npm',
  'yarn.lock': 'npm',
  'pnpm-lock.yaml': 'npm',
  'bun.lock': 'npm',
  'bun.lockb': 'npm',
  'poetry.lock': 'python',
  'uv.lock': 'python',
  'pdm.lock': 'python',
  'pylock.toml': 'python',
  'pipfile.lock': 'python',
}

function dependencyFileOf(lower: string, path: string): Extract<ProjectFile, { kind: 'dependencies' }> | null {
  const of = (ecosystem: Ecosystem, role: DependencyFile['role']) => ({ kind: 'dependencies', ecosystem, role }) as const
  if (Object.hasOwn(manifests, lower)) return of(manifests[lower] ?? 'npm', 'manifest')
  if (Object.hasOwn(lockfiles, lower)) return of(lockfiles[lower] ?? 'npm', 'lockfile')
  if (/^requirements(?:[-_.].{1,40})?\.txt$/.test(lower)) return of('python', 'manifest')
  return lower === 'modules.txt' && /(?:^|\/)vendor\/modules\.txt$/i.test(path) ? of('go', 'lockfile') : null
}

/** Folders of other people's code and of test material: what they declare is not what this repository is built from. */
const foreignFolders = new Set(
  'node_modules vendor third_party third-party thirdparty bower_components testdata fixtures __fixtures__'.split(' '),
)

function isForeign(path: string): boolean {
  const folders = path.split('/').slice(0, -1)
  return folders.some((folder) => foreignFolders.has(folder.toLowerCase()))
}

const sbomName =
  /^(?:s?bom(?:[.-].{1,60})?\.(?:json|xml|spdx|ya?ml)|.{1,200}\.(?:cdx|cyclonedx)\.(?:json|xml)|.{1,200}\.spdx(?:\.(?:json|ya?ml|rdf|xml))?)$/

const documentationName =
  /^(?:readme|install|installing|installation|build|building|compiling|hacking|development|developing)(?:\.(?:md|txt|rst|adoc|asciidoc|org|html|pdf))?$/

/** Made by a compiler or packed by a tool: nobody maintains a product from these. */
const binaryEndings = new Set(
  `exe dll so dylib a lib o obj ko sys efi class jar war ear aar dex apk aab ipa pyc pyd pyo whl egg nupkg msi msix deb rpm wasm node swf
  elf axf`.split(/\s+/),
)

function isBinary(lower: string): boolean {
  const ending = lower.slice(lower.lastIndexOf('.') + 1)
  return (lower.includes('.') && binaryEndings.has(ending)) || /\.so(?:\.\d{1,6}){1,4}$/.test(lower)
}

/** Gradle and Maven have their users commit a small program that fetches the real one; its source is public. */
function isWrapper(path: string): boolean {
  return /(?:^|\/)(?:gradle\/wrapper\/gradle-wrapper|\.mvn\/wrapper\/maven-wrapper)\.jar$/.test(path)
}
