import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseSync } from 'vite'

/** One node of the syntax tree: only what the rules look at. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** A source file with its tree and the project files that it imports. */
export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly program: Node
  readonly imports: readonly string[]
  readonly packages: readonly string[]
}

const root = resolve(import.meta.dirname, '../..')

/** Every TypeScript file below the folders, as paths from the project's root. */
export function sourceFiles(...folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
      .map((entry) => read(relative(root, join(entry.parentPath, entry.name)))),
  )
}

function read(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const program = parseSync(path, text).program as unknown as Node
  const specifiers = [...walk(program)].flatMap((node) => specifierOf(node))
  const local = specifiers.filter((name) => name.startsWith('.'))
  return {
    path,
    text,
    program,
    imports: local.map((name) => relative(root, resolve(root, dirname(path), name)).replace(/\.jsx?$/, '.ts')),
    packages: specifiers.filter((name) => !name.startsWith('.')),
  }
}

function specifierOf(node: Node): readonly string[] {
  const isImport = ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression'].includes(node.type)
  const source = isImport ? (node['source'] as { value?: unknown } | null) : null
  return typeof source?.value === 'string' ? [source.value] : []
}

/** Every node of a tree, parents first. */
export function* walk(node: Node): Generator<Node> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && typeof (child as Node).type === 'string') yield* walk(child as Node)
    }
  }
}

/** Lines of a node that are neither empty nor comment. */
export function codeLines(file: SourceFile, node: Node): number {
  const lines = file.text.slice(node.start, node.end).split('\n')
  return lines.filter((line) => !/^\s*(?:$|\/\/|\/\*|\*)/.test(line)).length
}
