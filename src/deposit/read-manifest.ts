/**
 * How many dependencies a manifest declares, and how many of them name no single version. It is a look, not a resolver: what cannot be told
 * counts as "some", because a missing lockfile must not hide behind an odd file.
 */
import { manifestBytesMax } from '../core/limits.js'
import type { Ecosystem } from '../format/contents.js'
import { scanToml } from './scan-toml.js'

/** What a manifest declares. */
export interface Declared {
  /** Null when the file is too large or of no known form. */
  readonly declared: number | null
  readonly loose: number
}

const untold: Declared = { declared: null, loose: 0 }

/**
 * Look into a dependency manifest.
 *
 * @param name - the file's name, as in the tree.
 * @param body - the whole file; attacker-controlled. Beyond `manifestBytesMax` nothing is told.
 */
export function readManifest(ecosystem: Ecosystem, name: string, body: Buffer): Declared {
  if (body.length > manifestBytesMax) return untold
  const text = body.toString('utf8').replace(/^\uFEFF/, '')
  switch (ecosystem) {
    case 'npm':
      return readPackageJson(text)
    case 'cargo':
      return counted(scanToml(text).filter(({ section, key }) => isCargoDependency(section, key)).length)
    case 'go':
      return counted(countGoRequires(text))
    case 'maven':
      return readPom(text)
    case 'python':
      return readPython(name.toLowerCase(), text)
    default:
      return ecosystem satisfies never
  }
}

const counted = (declared: number): Declared => ({ declared, loose: 0 })

function readPackageJson(text: string): Declared {
  const json = jsonOrNull(text)
  if (!isRecord(json)) return untold
  const lists = [json['dependencies'], json['devDependencies'], json['optionalDependencies']]
  return counted(lists.reduce<number>((sum, list) => sum + (isRecord(list) ? Object.keys(list).length : 0), 0))
}

/** `[dependencies]` with its keys, `[dependencies.name]`, the same for `dev-`, `build-`, targets and the workspace. */
function isCargoDependency(section: string, key: string): boolean {
  const inList = /^(?:workspace\.|target\..{1,300}\.)?(?:dev-|build-)?dependencies(\.[^.]{1,200})?$/.exec(section)
  return inList !== null && (inList[1] === undefined) === (key !== '')
}

function countGoRequires(text: string): number {
  let count = 0
  let inBlock = false
  for (const line of text.split('\n')) {
    const words = line.replace(/\/\/.*$/, '').trim()
    if (inBlock && words === ')') inBlock = false
    else if (/^require\s*\($/.test(words)) inBlock = true
    else if ((inBlock && words !== '') || /^require\s+\S+\s+v\S+$/.test(words)) count += 1
  }
  return count
}

/** The version of the project itself may well be a snapshot: only what stands in a dependency, plugin or parent counts. */
function readPom(text: string): Declared {
  if (!/<project[\s>]/.test(text)) return untold
  let declared = 0
  let loose = 0
  for (const block of text.split(/<(?=(?:dependency|plugin|parent|extension)>)/).slice(1)) {
    const kind = block.slice(0, block.indexOf('>'))
    const [own = ''] = block.split(`</${kind}>`, 1)
    if (kind === 'dependency') declared += 1
    const version = /<version>([^<]{1,200})<\/version>/.exec(own)?.[1]?.trim() ?? ''
    if (/-SNAPSHOT$|^(?:LATEST|RELEASE)$|^[[(].*[\])]$/.test(version)) loose += 1
  }
  return { declared, loose }
}

function readPython(name: string, text: string): Declared {
  if (name === 'pyproject.toml') return counted(countPyproject(text))
  if (name === 'pipfile')
    return counted(scanToml(text).filter(({ section, key }) => /^(?:dev-)?packages$/.test(section) && key !== '').length)
  if (name.endsWith('.txt')) return readRequirements(text)
  // setup.py is a program and setup.cfg a dialect: whether they declare anything is all that can be told.
  return /\binstall_requires\b|\brequirements/.test(text) ? untold : counted(0)
}

function countPyproject(text: string): number {
  let count = 0
  for (const { section, key, value } of scanToml(text)) {
    const isList =
      (section === 'project' && key === 'dependencies') || /^(?:project\.optional-dependencies|dependency-groups)$/.test(section)
    if (isList) count += value.match(/"[^"]{1,500}"|'[^']{1,500}'/g)?.length ?? 0
    else if (/^tool\.poetry\.(?:group\.[^.]{1,100}\.)?(?:dev-)?dependencies$/.test(section) && key !== '' && key !== 'python') count += 1
  }
  return count
}

/** One requirement for each line. `-r`, `-c` and other options name no dependency; `-e` and `--editable` do, and no version. */
function readRequirements(text: string): Declared {
  const lines = text
    .replaceAll(/\\\r?\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
  const wanted = lines.filter((line) => line !== '' && (!line.startsWith('-') || /^(?:-e|--editable)\b/.test(line)))
  const loose = wanted.filter((line) => !/[^=!<>~]===?\s*[^=\s]/.test(line) || /==\s*[\w.!]*\*/.test(line))
  return { declared: wanted.length, loose: loose.length }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
