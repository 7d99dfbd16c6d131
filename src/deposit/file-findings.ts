// What the files of a deposit lack, as findings: the questions of docs/COMPLETENESS.md that need names to be answered. Pure.
import { recipeDepthMax } from '../core/limits.js'
import { lockfileNames, looseManifests, unlockedManifests, type DependencyManifest } from '../format/dependency-locks.js'
import type { Finding } from '../format/manifest.js'
import { showName } from './file-names.js'
import type { FileInventory } from './inventory.js'

/** What else travels with a deposit and may answer a question in the place of a file. */
export interface AttachedFile {
  /** Like `sbom` or `documentation`. */
  readonly kind: string
}

/**
 * What is to be said of the files of a deposit.
 *
 * @param files - its submodules matched already.
 * @param attachments - of the deposit.
 * @returns in a fixed order; the same files give the same findings.
 */
export function fileFindings(files: FileInventory, attachments: readonly AttachedFile[] = []): readonly Finding[] {
  return [
    ...files.lfs.map((file) => warning('LFS_POINTER', file.path, `stands for ${file.sizeBytes} bytes, sha256 ${file.oid}`)),
    ...files.submodules.flatMap(submoduleFinding),
    ...missing(files, new Set(attachments.map(({ kind }) => kind))),
    ...contentsFindings(files.contents),
  ]
}

const warning = (code: Finding['code'], subject: string, detail: string): Finding => ({ code, severity: 'warning', subject, detail })

function submoduleFinding({ path, url, commit, source, held }: FileInventory['submodules'][number]): readonly Finding[] {
  if (source === undefined) {
    const of = url === '' ? 'a repository that .gitmodules does not name' : showName(Buffer.from(url))
    return [warning('SUBMODULE_UNMATCHED', path, `commit ${commit} of ${of}`)]
  }
  return held === false ? [warning('SUBMODULE_COMMIT_MISSING', path, `commit ${commit}, which no deposit of source ${source} holds`)] : []
}

function missing(files: FileInventory, attached: ReadonlySet<string>): readonly Finding[] {
  const { contents } = files
  const finding = (code: Finding['code'], what: string): Finding => ({
    code,
    severity: 'info',
    subject: 'HEAD',
    detail: `no file that looks like ${what} in the first ${recipeDepthMax + 1} levels of folders`,
  })
  const unless = (isThere: boolean, code: Finding['code'], what: string): readonly Finding[] => (isThere ? [] : [finding(code, what)])
  return [
    ...unless(files.buildRecipes.length > 0, 'BUILD_RECIPE_MISSING', 'a build recipe'),
    ...unless(files.licences.length > 0, 'LICENCE_MISSING', 'a licence'),
    ...unless((contents?.documentation.length ?? 0) > 0 || attached.has('documentation'), 'DOCUMENTATION_MISSING', 'documentation'),
    ...unless((contents?.sboms.length ?? 0) > 0 || attached.has('sbom'), 'SBOM_MISSING', 'a bill of materials'),
  ]
}

function contentsFindings(contents: FileInventory['contents']): readonly Finding[] {
  if (contents === undefined) return []
  const cut: Finding = { code: 'CONTENTS_CUT', severity: 'info', subject: 'HEAD', detail: 'not every file was looked at, or is listed' }
  return [
    ...unlockedManifests(contents.dependencies).map((file) => warning('LOCKFILE_MISSING', file.path, unlockedWords(file))),
    ...looseManifests(contents.dependencies).map((file) => warning('DEPENDENCIES_UNPINNED', file.path, looseWords(file))),
    ...contents.binaries.map(({ path, sizeBytes }) => warning('BINARY_WITHOUT_SOURCE', path, `${sizeBytes} bytes`)),
    ...(contents.whole ? [] : [cut]),
  ]
}

function unlockedWords({ ecosystem, declared }: DependencyManifest): string {
  const wanted = lockfileNames[ecosystem].join(', ')
  return `${declaredWords(declared)}; none of ${wanted} beside or above it`
}

function looseWords({ declared, loose }: DependencyManifest): string {
  return declared === null ? 'could not be read' : `${loose} versions are left open, of ${declaredWords(declared)}`
}

function declaredWords(declared: number | null): string {
  if (declared === null) return 'what it declares could not be told'
  return `${declared} ${declared === 1 ? 'dependency' : 'dependencies'}`
}
