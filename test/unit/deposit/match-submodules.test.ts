import { expect, test } from 'vitest'
import { siblingsAskedMax } from '../../../src/core/limits.js'
import { matchSubmodules, type Sibling, type Siblings } from '../../../src/deposit/match-submodules.js'

const commit = (digit: string) => digit.repeat(40)
const superproject = { source: 'app', url: 'https://git.example.org/team/app.git' }
const module = (path: string, url: string, digit = '1') => ({ path, url, commit: commit(digit) })

class Known implements Siblings {
  readonly asked: string[] = []
  constructor(
    private readonly sources: readonly Sibling[],
    private readonly held: Readonly<Record<string, readonly string[] | null>>,
  ) {}
  readonly list = async () => this.sources
  readonly holds = async (source: string, commits: readonly string[]) => {
    this.asked.push(source)
    const held = this.held[source]
    return held === undefined || held === null ? null : new Set(commits.filter((one) => held.includes(one)))
  }
}

test('a submodule is the source with the same address, and its commit is held or not', async () => {
  const known = new Known(
    [
      { source: 'app', url: superproject.url },
      { source: 'lib', url: 'git@git.example.org:team/lib.git' },
      { source: 'sealed', url: 'https://git.example.org/team/sealed' },
    ],
    { lib: [commit('1')], sealed: null },
  )
  const modules = [
    module('a', '../lib'),
    module('b', 'https://git.example.org/team/lib', '2'),
    module('c', 'https://git.example.org/team/sealed'),
    module('d', 'https://git.example.org/team/unknown'),
    module('e', ''),
    module('f', '../app'),
  ]
  expect(await matchSubmodules(modules, superproject, known)).toEqual([
    { ...modules[0], source: 'lib', held: true },
    { ...modules[1], source: 'lib', held: false },
    { ...modules[2], source: 'sealed' },
    modules[3],
    modules[4],
    { ...modules[5], source: 'app' },
  ])
})

test('a pushed source has no address: the commit tells whose it is', async () => {
  const known = new Known(
    [
      { source: 'pushed', url: null },
      { source: 'other', url: null },
      { source: 'app', url: null },
    ],
    { pushed: [commit('1')], other: [] },
  )
  const modules = [module('a', 'https://forge.example/x'), module('b', 'https://forge.example/y', '2')]
  expect(await matchSubmodules(modules, superproject, known)).toEqual([{ ...modules[0], source: 'pushed', held: true }, modules[1]])
  expect(known.asked).toEqual(['other', 'pushed'])
})

test('who knows no sources matches nothing, and a repository without submodules asks for none', async () => {
  const modules = [module('a', '../lib')]
  expect(await matchSubmodules(modules, superproject, null)).toEqual(modules)
  const known: Siblings = { list: () => Promise.reject(new Error('asked')), holds: () => Promise.reject(new Error('asked')) }
  expect(await matchSubmodules([], superproject, known)).toEqual([])
})

test('a limited number of sources is asked, and what nobody asked is not known', async () => {
  const names = Array.from({ length: siblingsAskedMax + 5 }, (_, at) => `s${String(at).padStart(3, '0')}`)
  const sources = names.map((source) => ({ source, url: `https://h.example/${source}` }))
  const known = new Known(sources, Object.fromEntries(names.map((name) => [name, []])))
  const found = await matchSubmodules(
    names.map((name) => module(name, `https://h.example/${name}`)),
    superproject,
    known,
  )
  expect(known.asked).toHaveLength(siblingsAskedMax)
  expect(found.filter(({ held }) => held === false)).toHaveLength(siblingsAskedMax)
  expect(found.every(({ source }) => source !== undefined)).toBe(true)
})
