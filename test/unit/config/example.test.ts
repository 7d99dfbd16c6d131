import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configKeys } from '../../../config/keys.js'
import { parseConfig } from '../../../config/load.js'
import { ConfigFile } from '../../../config/schema.js'
import { laptopConfig } from '../../../config/laptop.js'

const file = join(import.meta.dirname, '../../../config/escrow.example.yaml')
const text = readFileSync(file, 'utf8')
const lines = text.split('\n')

/** The comment lines right above the first line that names a key, commented out or not. */
function commentAbove(name: string, from: number): { readonly line: number; readonly comment: string } {
  const line = lines.findIndex((each, i) => i >= from && new RegExp(`^[ ]*(?:# |- )?${name}:`).test(each))
  if (line < 0) return { line, comment: '' }
  let first = line
  while (/^ *#/.test(lines[first - 1] ?? '')) first -= 1
  return {
    line,
    comment: lines
      .slice(first, line)
      .map((each) => each.replace(/^ *# ?/, ''))
      .join(' '),
  }
}

test('the example is a valid configuration', () => {
  const config = parseConfig(text, { file, home: '/srv/reduit', environment: {} })
  expect(config.replicas.map((replica) => replica.kind)).toEqual(['s3', 'folder'])
})

test('every key has a unit and says what someone could do who controls it', () => {
  expect(
    configKeys()
      .filter((key) => key.notes === null)
      .map((key) => key.path.join('.')),
  ).toEqual([])
})

test('the example names every key of the schema in its order, with unit, default and trust', () => {
  const places = configKeys().map((key) => {
    const group = key.path.filter((part) => part !== '[]').slice(0, -1)
    const start = group.length === 0 ? 0 : lines.findIndex((line) => line.startsWith(`${group[0]}:`))
    expect(start, key.path.join('.')).toBeGreaterThanOrEqual(0)
    const { line, comment } = commentAbove(key.path.at(-1)!, start)
    expect(line, `${key.path.join('.')} is named`).toBeGreaterThanOrEqual(start)
    expect(comment, key.path.join('.')).toContain(`Unit: ${key.notes!.unit}.`)
    expect(comment, key.path.join('.')).toMatch(/Trust: \S/)
    return { name: key.path.join('.'), line }
  })
  // Alternatives of one group may be told apart in another order.
  const inOrder = places.filter(({ name }) => !/^(?:replicas|database)\./.test(name)).map(({ line }) => line)
  expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b))
})

test('the defaults that the example names are those of the schema', () => {
  const least = parseConfig(laptopConfig({ origin: 'a.example', country: 'CH', control: 'CH' }), { file: '', home: '/', environment: {} })
  const said = new Map(
    configKeys().flatMap((key) => {
      const group = key.path.filter((part) => part !== '[]').slice(0, -1)
      const start = group.length === 0 ? 0 : lines.findIndex((line) => line.startsWith(`${group[0]}:`))
      const found = /Default: ([^.]+)\./.exec(commentAbove(key.path.at(-1)!, start).comment)
      return found === null || key.path.includes('[]') ? [] : [[key.path.join('.'), found[1]] as const]
    }),
  )
  for (const group of ['deposit', 'fixity', 'retention', 'remotes'] as const) {
    const defaults = ConfigFile.shape[group].parse(undefined) as Readonly<Record<string, unknown>>
    for (const [name, value] of Object.entries(defaults)) expect(said.get(`${group}.${name}`), name).toBe(String(value))
  }
  expect(said.get('scratch.ephemeral')).toBe(String(least.scratch.ephemeral))
})
