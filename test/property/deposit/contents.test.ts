import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ContentsFound } from '../../../src/deposit/contents.js'
import { fileFindings } from '../../../src/deposit/file-findings.js'
import type { TreeFile } from '../../../src/deposit/head-tree.js'
import { noFiles } from '../../../src/deposit/inventory.js'
import { readManifest } from '../../../src/deposit/read-manifest.js'
import { Contents, Ecosystem } from '../../../src/format/contents.js'
import { normalizeRepositoryUrl, resolveSubmoduleUrl } from '../../../src/format/repository-url.js'

const folders = ['', 'a/', 'a/b/', 'packages/x/', 'vendor/', 'node_modules/p/']
const names = ['package.json', 'yarn.lock', 'go.mod', 'go.sum', 'pom.xml', 'requirements.txt', 'bom.json', 'README.md', 'x.dll', 'main.c']
const bodies = [
  '',
  '{}',
  '{"dependencies":{"a":"1"}}',
  'require a v1',
  '{"bomFormat": "CycloneDX"}',
  'a==1',
  '<project><dependency></dependency></project>',
]

interface Made {
  readonly file: TreeFile
  readonly body: string
}
const tree: fc.Arbitrary<readonly Made[]> = fc
  .uniqueArray(fc.record({ folder: fc.constantFrom(...folders), name: fc.constantFrom(...names), body: fc.constantFrom(...bodies) }), {
    selector: ({ folder, name }) => folder + name,
    maxLength: 30,
  })
  .map((made) =>
    made.map(({ folder, name, body }) => ({
      body,
      file: { path: folder + name, name, depth: folder.split('/').length - 1, oid: '0'.repeat(40), kind: 'blob', sizeBytes: body.length },
    })),
  )

function look(made: readonly Made[], before: Contents | null = null, carried: (path: string) => boolean = () => false): Contents {
  const found = new ContentsFound()
  for (const { file, body } of made) if (found.add(file)) found.read(file, Buffer.from(body))
  return found.finish({ contents: before, carried, anyCarried: before !== null, cut: false })
}

test('the same tree gives the same lists and findings in whatever order it is walked', () => {
  fc.assert(
    fc.property(tree, fc.func(fc.nat()), (made, weight) => {
      const shuffled = made.toSorted((left, right) => weight(left.file.path) - weight(right.file.path))
      const contents = look(made)
      expect(look(shuffled)).toEqual(contents)
      expect(fileFindings({ ...noFiles, contents: look(shuffled) })).toEqual(fileFindings({ ...noFiles, contents }))
      expect(Contents.parse(contents)).toEqual(contents)
    }),
  )
})

test('an incremental that carries one folder knows as much as a full deposit of the same tree', () => {
  fc.assert(
    fc.property(tree, fc.constantFrom(...folders.slice(1)), (made, folder) => {
      const full = look(made)
      const carried = (path: string) => !path.startsWith(folder)
      const changed = made.filter(({ file }) => file.path.startsWith(folder))
      expect(look(changed, full, carried)).toEqual(full)
    }),
  )
})

test('whatever a manifest or an address says, it is told or passed over, and nothing is thrown', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Ecosystem.options),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom(...names, 'setup.cfg'),
      (ecosystem, text, name) => {
        const { declared, loose } = readManifest(ecosystem, name, Buffer.from(text))
        expect(declared === null || (Number.isSafeInteger(declared) && declared >= 0)).toBe(true)
        expect(loose).toBeGreaterThanOrEqual(0)
        const address = normalizeRepositoryUrl(text)
        // An address is in its own one spelling, or begins with `file:`.
        if (address !== null && !address.startsWith('file:')) expect(normalizeRepositoryUrl(`https://${address}`)).not.toBe('')
        expect(() => resolveSubmoduleUrl('host/a/b', `../${text}`)).not.toThrow()
      },
    ),
  )
})
