// Who comes for the first time has the README alone: every page has to be found from there.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name))

/** Paths that a page links to in this repository, from its root. */
function linksOf(page: string): readonly string[] {
  const targets = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, to = '']) => to)
  return targets.map((to) => normalize(join(dirname(page), to)).replace(/\/$/, ''))
}

test.for(['README.md', ...pages])('every link of %s leads to something', (page) => {
  expect(linksOf(page).filter((path) => !existsSync(path))).toEqual([])
})

test('every page of docs is linked from the README, by itself or by its folder', () => {
  const linked = linksOf('README.md')
  const folders = linked.filter((path) => existsSync(path) && statSync(path).isDirectory())
  expect(pages.filter((page) => !linked.includes(page) && !folders.includes(dirname(page)))).toEqual([])
})

test('no two decisions have one number, and none is missing', () => {
  const numbers = readdirSync('docs/decisions').map((name) => Number(name.slice(0, 4)))
  expect(numbers.toSorted((left, right) => left - right)).toEqual(numbers.map((_, index) => index + 1))
})
