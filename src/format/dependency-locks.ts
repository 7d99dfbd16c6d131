// Pure: which dependency manifests have nothing that fixes the versions of what they declare. docs/COMPLETENESS.md, "dependencies".
import type { DependencyFile, Ecosystem } from './contents.js'

/** A file that declares dependencies. */
export type DependencyManifest = Extract<DependencyFile, { role: 'manifest' }>

/** What would fix the versions of a manifest, for people; the first is the usual one. */
export const lockfileNames: Readonly<Record<Ecosystem, readonly string[]>> = {
  cargo: ['Cargo.lock'],
  go: ['go.sum', 'go.work.sum', 'vendor/modules.txt'],
  maven: [],
  npm: ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock'],
  python: ['poetry.lock', 'uv.lock', 'pdm.lock', 'pylock.toml', 'Pipfile.lock', 'a requirements.txt that pins every version with =='],
}

/**
 * The manifests that declare dependencies which no lockfile beside or above them fixes.
 *
 * @param files - of one tree, in any order.
 * @returns in the order given. A Maven manifest is never among them: `looseManifests` judges it.
 */
export function unlockedManifests(files: readonly DependencyFile[]): readonly DependencyManifest[] {
  const locked = new Set(files.flatMap((file) => (locks(file) ? [`${file.ecosystem} ${lockedFolder(file.path)}`] : [])))
  return manifestsOf(files).filter((file) => file.ecosystem !== 'maven' && !isPinned(file) && declares(file) && !hasLock(file, locked))
}

/** Maven manifests that leave the version of a dependency to the day of the build. */
export function looseManifests(files: readonly DependencyFile[]): readonly DependencyManifest[] {
  return manifestsOf(files).filter((file) => file.ecosystem === 'maven' && (file.loose > 0 || file.declared === null))
}

const manifestsOf = (files: readonly DependencyFile[]): readonly DependencyManifest[] =>
  files.filter((file): file is DependencyManifest => file.role === 'manifest')

const declares = ({ declared }: DependencyManifest): boolean => declared === null || declared > 0

/** `requirements.txt` declares and fixes at once. */
function isPinned({ ecosystem, path, declared, loose }: DependencyManifest): boolean {
  return ecosystem === 'python' && path.endsWith('.txt') && declared !== null && loose === 0
}

function locks(file: DependencyFile): boolean {
  return file.role === 'lockfile' || (isPinned(file) && declares(file))
}

/** The folder for which a lockfile speaks: `vendor/modules.txt` speaks for the folder above. */
function lockedFolder(path: string): string {
  const folder = folderOf(path)
  return path.endsWith('/modules.txt') || path === 'modules.txt' ? folderOf(folder) : folder
}

/** Workspaces keep one lockfile for all: it may lie in any folder above. */
function hasLock({ path, ecosystem }: DependencyManifest, locked: ReadonlySet<string>): boolean {
  for (let folder = folderOf(path); ; folder = folderOf(folder)) {
    if (locked.has(`${ecosystem} ${folder}`)) return true
    if (folder === '') return false
  }
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
