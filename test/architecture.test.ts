// Style as a test: the arrows, the lengths and the banned words of docs/ARCHITECTURE.md, "Rules that a test keeps".
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_ADVICE } from '../src/core/errors.js'
import { codeLines, sourceFiles, walk, type Node, type SourceFile } from './architecture/source-files.js'

const features = ['escrow', 'verify', 'notice', 'release']
const base = ['core', 'crypto', 'format', 'store']
const feature = [...base, 'db', 'jobs', 'log', 'http']
const anything = [...feature, ...features, 'evidence', 'git', 'deposit', 'http', 'web', 'config', 'root', 'cli']

/** Who may import whom. A folder may always import itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  crypto: ['core'],
  git: ['core'],
  db: ['core'],
  http: ['core', 'crypto', 'format', 'db'],
  config: ['core'],
  'crypto/holder': ['core', 'crypto'],
  format: ['core', 'crypto'],
  store: ['core', 'crypto', 'format'],
  evidence: base,
  jobs: ['core', 'format'],
  deposit: [...base, 'git'],
  log: [...base, 'db', 'jobs', 'http'],
  escrow: [...feature, 'git', 'deposit'],
  verify: [...feature, 'escrow', 'evidence'],
  notice: [...feature, 'escrow', 'git'],
  release: [...feature, 'escrow', 'verify'],
  web: ['core', 'format', ...features],
  root: anything,
  'cli/party': [...base, 'cli'],
  'cli/service': [...anything, 'cli/party'],
  'cli/agent': [...anything, 'cli/party'],
  'cli/holder': [...base, 'evidence', 'crypto/holder', 'deposit', 'git', 'cli', 'cli/party', 'cli/service'],
  'cli/door': [...anything, 'cli/agent', 'cli/holder', 'cli/party', 'cli/service'],
  cli: [...anything, 'cli/agent', 'cli/door', 'cli/holder', 'cli/party', 'cli/service'],
}

/** Files that only `adapters.module.ts`, the command line and tests may name: everybody else knows the port. */
const adapters = /^src\/(?:store\/(?:fs|s3)-|git\/(?:http|ssh|local)-remote|db\/(?:postgres|pglite)-database)/

/**
 * Decision 0003: parties judge a release with the very code that the service judges it with. These files are pure, and import nothing
 * but each other, core, crypto and format.
 */
const isForHolders = (path: string) => path.startsWith('src/release/rules/') || path === 'src/escrow/jurisdiction.ts'

function folderOf(path: string): string {
  if (path.startsWith('config/')) return 'config'
  if (path.startsWith('src/crypto/holder/')) return 'crypto/holder'
  const [, folder, name] = path.split('/')
  if (name === undefined) return 'root'
  // What anybody verifies offline is held to what parties are held to.
  if (path.startsWith('src/cli/verify/')) return 'cli/holder'
  if (folder === 'cli' && /^(?:agent|door|holder|party|service)$/.test(name)) return `cli/${name}`
  return folder ?? 'root'
}

const files = sourceFiles('src', 'config')
const source = files.filter((file) => file.path.startsWith('src/'))

test('every import follows the arrows', () => {
  const wrong = files.flatMap((file) => {
    const from = folderOf(file.path)
    return file.imports
      .filter((to) => folderOf(to) !== from && !(arrows[from] ?? []).includes(folderOf(to)))
      .filter((to) => !((from === 'cli/holder' || from === 'cli/party') && isForHolders(to)))
      .map((to) => `${file.path} -> ${to}`)
  })
  expect(wrong).toEqual([])
})

test('what holders may import of a feature is pure', () => {
  const pure = new Set(['core', 'crypto', 'format'])
  const forHolders = files.filter((file) => isForHolders(file.path))
  const wrong = forHolders.flatMap((file) => [
    ...file.imports.filter((to) => !pure.has(folderOf(to)) && !isForHolders(to)).map((to) => `${file.path} -> ${to}`),
    // An address is read with node:net; nothing is opened.
    ...file.packages.filter((name) => name !== 'zod' && name !== 'node:net').map((name) => `${file.path} -> ${name}`),
  ])
  expect(wrong).toEqual([])
  expect(forHolders.length).toBeGreaterThan(15)
})

test.for(['cli', 'escrow', 'release'])('the folders within %s form no circle', (whole) => {
  const placeOf = (path: string) => (path.startsWith(`src/${whole}/`) ? dirname(path) : null)
  const inside = source.filter((file) => (placeOf(file.path) ?? `src/${whole}`) !== `src/${whole}`)
  const below = new Map<string, Set<string>>()
  for (const file of inside) {
    const from = dirname(file.path)
    // What lies on top is what all of them share, or what puts them together.
    const to = file.imports.map(placeOf).filter((place) => place !== null && place !== from && place !== `src/${whole}`)
    below.set(from, new Set([...(below.get(from) ?? []), ...to.map(String)]))
  }
  expect(below.size).toBeGreaterThan(8)
  // Whatever can be put aside because nothing below it is left; a circle never can.
  for (let size = -1; size !== below.size;) {
    size = below.size
    for (const [place, needed] of below) if (![...needed].some((one) => below.has(one))) below.delete(place)
  }
  expect([...below.keys()]).toEqual([])
})

test('features name ports, never adapters', () => {
  const domestic = new Set(['deposit', 'log', ...features])
  const wrong = source.filter((file) => domestic.has(folderOf(file.path)) && file.imports.some((to) => adapters.test(to)))
  expect(wrong.map((file) => file.path)).toEqual([])
})

test('no controller reads a table: what a viewer may see is decided by the queries of visible-*.table', () => {
  const wrong = source.filter((file) => file.path.endsWith('.controller.ts') && file.imports.some((to) => to.endsWith('.table.ts')))
  expect(wrong.map((file) => file.path)).toEqual([])
})

test('every query of a visible-*.table takes the viewer and asks whether the agreement pins its key', () => {
  const tables = source.filter((file) => /\/visible[a-z-]*\.table\.ts$/.test(file.path))
  expect(tables.length).toBeGreaterThan(2)
  const queries = tables.flatMap((file) => file.text.split(/(?=^export async function )/m).slice(1))
  expect(queries.length).toBeGreaterThan(15)
  // Some look for the viewer's own key among the parties themselves.
  const asks =
    /(?:pinsViewer\(db, |isOf\()viewer, |eq\(partyTable\.fingerprint, viewer\.fingerprint\)|reader\.read\(\w+Of, \{ \.\.\.asked\(viewer\), /
  const wrong = queries.filter((query) => !/viewer: (?:Notice)?Viewer\b/.test(query) || !asks.test(query))
  expect(wrong.map((query) => query.slice(0, 80))).toEqual([])
})

test('every prepared statement of a visible-*.table asks whether the agreement pins the key that fills it, and knows no viewer', () => {
  const statements = source
    .filter((file) => /\/visible[a-z-]*\.table\.ts$/.test(file.path))
    .flatMap((file) => file.text.split(/^(?=const |export |function |\/\*\* )/m))
    .filter((part) => /^const \w+: Prepared</.test(part))
  expect(statements.length).toBeGreaterThan(4)
  const wrong = statements.filter((part) => !/pinsViewer\(db, asker\(given\), /.test(part) || /\bviewer\b/.test(part))
  expect(wrong.map((part) => part.slice(0, 80))).toEqual([])
})

test('no server file can combine shares or open an envelope with an identity', () => {
  const importers = source.filter((file) => file.imports.some((to) => to.startsWith('src/crypto/holder/'))).map((file) => file.path)
  const allowed = /^src\/(?:crypto\/holder\/|cli\/(?:holder|verify)\/)/
  expect(importers.filter((path) => !allowed.test(path))).toEqual([])
})

test.for([
  ['process.env', /\bprocess\.env\b/, /^config\//],
  [
    'clock and randomness',
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandom(?:Bytes|FillSync|Fill|UUID|Int)\b|\bgetRandomValues\b|\bperformance\.now\b/,
    /^src\/core\/environment\.ts$/,
  ],
  ['recursive mkdir', /\bmkdir(?:Sync)?\([^\n]*\brecursive\b/, /^$/],
  ['processes', /['"](?:node:)?child_process['"]/, /^src\/(?:git\/|cli\/party\/ssh-keygen\.ts$)/],
  ['SQL and drizzle', /['"]drizzle-orm(?:\/[^'"]*)?['"]/, /\.table\.ts$|^src\/db\/|^config\/drizzle/],
  ['standard output', /\bterminal\.out\(/, /^src\/cli\/(?:command|program|demo\/demo)\.ts$/],
  ['deleting objects', /\bremove(?:Object|Objects|IncompleteUpload)\b/, /^$/],
] as const)('%s is used only where it belongs', ([, pattern, home]) => {
  const offenders = files.filter((file) => !home.test(file.path) && pattern.test(withoutComments(file.text)))
  expect(offenders.map((file) => file.path)).toEqual([])
})

test('no function is longer than 70 lines and no file longer than 400', () => {
  const isFunction = (node: Node) => /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)
  const long = source.flatMap((file) =>
    [...walk(file.program)]
      .filter((node) => isFunction(node) && codeLines(file, node) > 70)
      .map((node) => `${file.path}:${file.text.slice(0, node.start).split('\n').length}`),
  )
  const longFiles = source.filter((file) => file.text.split('\n').length > 400).map((file) => file.path)
  expect([...long, ...longFiles]).toEqual([])
})

test('no constructor asks for more than five things', () => {
  const greedy = source.flatMap((file) =>
    [...walk(file.program)]
      .filter((node) => node.type === 'MethodDefinition' && node['kind'] === 'constructor')
      .filter((node) => (node['value'] as { params: readonly unknown[] }).params.length > 5)
      .map((node) => `${file.path}:${file.text.slice(0, node.start).split('\n').length}`),
  )
  expect(greedy).toEqual([])
})

const bannedWords = new Set(['data', 'info', 'metadata', 'manager', 'helper', 'util', 'utils', 'common', 'shared', 'process'])

test('no name we give says nothing', () => {
  const wrong = source.flatMap((file) =>
    declaredNames(file)
      .filter((name) => name.split(/(?=[A-Z])|_|\d/).some((word) => bannedWords.has(word.toLowerCase())))
      .map((name) => `${file.path}: ${name}`),
  )
  const badPaths = source.map((file) => file.path).filter((path) => path.split(/[/.-]/).some((word) => bannedWords.has(word)))
  expect([...new Set(wrong), ...badPaths]).toEqual([])
})

test('every exported function and class says what it gives', () => {
  const silent = source.flatMap((file) =>
    [...walk(file.program)]
      .filter((node) => node.type === 'ExportNamedDeclaration' && isDocumentable(node['declaration'] as Node | null))
      .filter((node) => !/\*\/\s*(?:@\w+\([^]*?\)\s*)*$/.test(file.text.slice(0, node.start)))
      .map((node) => `${file.path}:${file.text.slice(0, node.start).split('\n').length}`),
  )
  expect(silent).toEqual([])
})

test('no default exports and no barrels', () => {
  const wrong = source.filter((file) => [...walk(file.program)].some((node) => /^Export(?:Default|All)Declaration$/.test(node.type)))
  expect(wrong.map((file) => file.path)).toEqual([])
})

test('every error code is thrown somewhere, and every code has advice', () => {
  const text = files
    .filter((file) => file.path !== 'src/core/errors.ts')
    .map((file) => file.text)
    .join('\n')
  const unused = Object.keys(ERROR_ADVICE).filter((code) => !new RegExp(`'${code}'`).test(text))
  expect(unused).toEqual([])
})

function isDocumentable(node: Node | null): boolean {
  return node !== null && /^(?:FunctionDeclaration|ClassDeclaration)$/.test(node.type)
}

function declaredNames(file: SourceFile): readonly string[] {
  return [...walk(file.program)].flatMap((node) => {
    if (/^(?:FunctionDeclaration|ClassDeclaration|TSInterfaceDeclaration|TSTypeAliasDeclaration|VariableDeclarator)$/.test(node.type)) {
      const id = node['id'] as { name?: string } | null
      return id?.name === undefined ? [] : [id.name]
    }
    if (/^(?:MethodDefinition|PropertyDefinition|TSPropertySignature|TSMethodSignature)$/.test(node.type) && node['computed'] !== true) {
      const key = node['key'] as { name?: string; type: string }
      return key.type === 'Identifier' && key.name !== undefined ? [key.name] : []
    }
    return []
  })
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/(?<=^|\s)\/\/.*$/gm, '')
}
