import { expect, test } from 'vitest'
import { renderCompleteness } from '../../../src/evidence/render-completeness.js'
import { Completeness } from '../../../src/format/completeness.js'
import vectors from '../../vectors/completeness.json' with { type: 'json' }

const reports = vectors.reports.map(({ report }) => Completeness.parse(report))
const named = reports[0]!
const nameless = reports[1]!

test('the page says the level, what to add, and every check', () => {
  const page = renderCompleteness(named, 'reduit 0')
  expect(page).toContain('L0: received and intact.')
  for (const { title } of named.checks) expect(page).toContain(title)
  for (const word of ['web/package.json', 'lib/driver.dll', 'third/ui', 'libcore, deposited', 'commit the lockfile'])
    expect(page).toContain(word)
  expect(page).toBe(renderCompleteness(named, 'reduit 0'))
})

test('a page without names says so, and shows none', () => {
  const page = renderCompleteness(nameless, 'reduit 0')
  expect(page).toContain('File names are sealed to the parties')
  for (const word of ['web/package.json', 'third/ui', 'Makefile']) expect(page).not.toContain(word)
})

test('whatever a stranger calls a file, a submodule or its address is text', () => {
  const evil = '</code><script>alert(1)</script>"\'&\u202Etxt.exe\u0000\u001B[2J<img src=x onerror=alert(1)>'
  const hostile: Completeness = {
    ...named,
    checks: named.checks.map((check) => ({
      ...check,
      findings: check.findings.map((finding) => ({ ...finding, named: [{ subject: evil, detail: evil }] })),
    })),
    files: named.files && {
      ...named.files,
      submodules: [{ path: evil, url: evil, commit: 'd'.repeat(40) }],
      buildRecipes: [evil],
      licences: [evil],
      largestFiles: [{ path: evil, sizeBytes: 1 }],
      contents: {
        edition: 1,
        whole: true,
        dependencies: [{ role: 'lockfile', path: evil, ecosystem: 'npm' }],
        binaries: [{ path: evil, sizeBytes: 1 }],
        sboms: [{ path: evil, format: 'spdx' }],
        documentation: [evil],
      },
    },
  }
  const page = renderCompleteness(hostile, 'reduit 0')
  expect(page).not.toMatch(/<script|<img|javascript:/i)
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(page).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202A-\u202E]/)
  expect(page.match(/alert\(1\)/g)?.length).toBeGreaterThan(10)
})

test('long lists are cut, and what is left out is counted', () => {
  const files = named.files && {
    ...named.files,
    largestFiles: Array.from({ length: 80 }, (_, at) => ({ path: `file-${at}`, sizeBytes: 80 - at })),
  }
  const page = renderCompleteness({ ...named, files }, 'reduit 0')
  expect(page).toContain('file-49')
  expect(page).not.toContain('file-50')
  expect(page).toContain('30 more.')
})
