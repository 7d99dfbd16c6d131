// A vendor attaches what a build needs beside the source; the operator checks, repairs, rebuilds and copies it like everything else; a partner
// opens it with the shares of the vault and nothing else.
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'

const vendor = new GitFixture()
let home: EscrowHome
let agreement = ''
let shares: readonly string[] = []
const sbom = '{"spdxVersion":"SPDX-2.3"}'
const secret = 'the key that signs releases'
/** More than two parts of a store, and no two of them alike. */
const image = Buffer.alloc(17 << 20, 'a build image, ').map((byte, at) => byte ^ (at >> 13))

beforeAll(async () => {
  vendor.addCommits('refs/heads/main', 2)
  home = await EscrowHome.make(['  - source: product', `    url: ${vendor.path}`])
  agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  writeFileSync(home.at('sbom.json'), sbom)
  writeFileSync(home.at('release-key.pem'), secret)
  writeFileSync(home.at('image.tar'), image)
  shares = await home.release()
}, 300_000)
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

const attach = (kind: string, name: string, ...more: readonly string[]) =>
  home.json<{ attached: { sealedSha256: string }[] }>(
    'attach',
    home.at(name),
    '--agreement',
    agreement,
    '--source',
    'product',
    '--kind',
    kind,
    ...more,
  )
interface Mirrored {
  readonly sources: readonly {
    readonly outcome: string
    readonly manifest: { readonly kind: string; readonly sequence: number; readonly attachments: readonly { readonly key: string }[] }
  }[]
}
const mirror = async () => (await home.json<Mirrored>('mirror')).sources[0]!
const folder = () => join(home.replica, 'agreements', agreement, 'sources', 'product', 'attachments')
const stored = () => readdirSync(folder()).filter((name) => /^[0-9a-f]{64}\.age$/.test(name))
const restored = async (name: string, ...more: readonly string[]) => {
  const to = home.at(name)
  const ran = await home.run('--json', ...home.opening(home.replica), ...shares, '--to', to, ...more)
  return { ...ran, to }
}

test('attached files are sealed at once, wait, and are part of the next deposit', async () => {
  const { attached } = await attach('sbom', 'sbom.json')
  expect(attached).toMatchObject([{ name: 'sbom.json', sealedSha256: stored()[0]?.slice(0, 64) }])
  await attach('image', 'image.tar')
  await attach('build-secrets', 'release-key.pem', '--name', 'signing')
  // Ciphertext names itself, and nothing on any disk of the service says what it is.
  expect(stored()).toHaveLength(3)
  for (const name of stored()) expect(sha256Hex(readFileSync(join(folder(), name)))).toBe(name.slice(0, 64))
  const kept = readdirSync(home.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const entry of kept) {
    const bytes = readFileSync(join(entry.parentPath, entry.name))
    for (const text of [sbom, secret, sha256Hex(Buffer.from(sbom)), 'release-key.pem', 'sbom.json'])
      expect(bytes.includes(text)).toBe(false)
  }
  const first = await mirror()
  expect(first).toMatchObject({ outcome: 'deposited', manifest: { kind: 'full', sequence: 1 } })
  expect(first.manifest.attachments.map(({ key }) => key)).toEqual(stored().map((name) => `attachments/${name}`))
})

test('they stay attached, one of the same name is replaced, and the same bytes are not stored twice', async () => {
  expect((await mirror()).outcome).toBe('unchanged')
  const before = stored()
  // The same bytes under another name: nothing new is sealed.
  await attach('documentation', 'sbom.json', '--name', 'components.json')
  expect(stored()).toEqual(before)
  // A deposit is made of it although the repository is as it was.
  expect(await mirror()).toMatchObject({ outcome: 'deposited', manifest: { kind: 'incremental', sequence: 2 } })
  writeFileSync(home.at('sbom.json'), `${sbom}\n`)
  await attach('sbom', 'sbom.json')
  vendor.addCommits('refs/heads/main', 1, { label: 'third' })
  expect((await mirror()).manifest.attachments).toHaveLength(4)
})

test('a damaged attachment is found, repaired and known to whoever verifies', async () => {
  const copy = home.at('copy')
  await home.must('replicate', '--to', copy)
  expect((await home.run('verify', copy, '--agreement', home.agreement)).exitCode).toBe(0)
  const largest = stored().toSorted((left, right) => statSync(join(folder(), right)).size - statSync(join(folder(), left)).size)[0] ?? ''
  for (const root of [join(copy, 'agreements', agreement, 'sources', 'product', 'attachments'), folder()]) flip(join(root, largest))
  expect((await home.run('verify', copy, '--agreement', home.agreement)).out).toContain(largest)
  const checked = await home.run('check', '--all')
  expect([checked.exitCode, checked.out]).toEqual([3, expect.stringContaining(largest)])
  await home.must('repair')
  expect((await home.run('check', '--all')).exitCode).toBe(0)
})

test('the partner opens them, each deposit as it was', async () => {
  const third = await restored('third.git')
  expect(third.exitCode, third.err).toBe(0)
  expect(JSON.parse(third.out)).toMatchObject({
    attachments: [
      { kind: 'documentation', path: 'attachments/components.json' },
      { kind: 'image', path: 'attachments/image.tar', sizeBytes: image.length },
      { kind: 'sbom', path: 'attachments/sbom.json' },
      { kind: 'build-secrets', path: 'attachments/signing/release-key.pem' },
    ],
    problems: [],
  })
  const read = (to: string, name: string) => readFileSync(join(to, 'attachments', name))
  expect(read(third.to, 'sbom.json').toString()).toBe(`${sbom}\n`)
  expect(read(third.to, 'components.json').toString()).toBe(sbom)
  expect(read(third.to, 'signing/release-key.pem').toString()).toBe(secret)
  expect(read(third.to, 'image.tar').equals(image)).toBe(true)
  const first = await restored('first.git', '--sequence', '1')
  expect(readdirSync(join(first.to, 'attachments')).sort()).toEqual(['image.tar', 'sbom.json', 'signing'])
  expect(read(first.to, 'sbom.json').toString()).toBe(sbom)
})

test('without one of them the repository is restored all the same, and the loss is told', async () => {
  const copy = home.at('lossy')
  await home.must('replicate', '--to', copy)
  const lossy = join(copy, 'agreements', agreement, 'sources', 'product', 'attachments')
  const largest = stored().toSorted((left, right) => statSync(join(lossy, right)).size - statSync(join(lossy, left)).size)[0] ?? ''
  rmSync(join(lossy, largest))
  const ran = await home.run('--json', ...home.opening(copy), ...shares, '--to', home.at('lossy.git'))
  expect(ran.exitCode).toBe(3)
  expect(JSON.parse(ran.out)).toMatchObject({ problems: [{ code: 'OBJECT_MISSING', where: 'image.tar' }] })
  expect(readdirSync(home.at('lossy.git', 'attachments')).sort()).toEqual(['components.json', 'sbom.json', 'signing'])
})

test.for([
  ['a kind that nobody knows', ['--kind', 'binary']],
  ['build secrets under their own name', ['--kind', 'build-secrets']],
  ['a name that is a path', ['--kind', 'other', '--name', '../x']],
  ['a source that is not there', ['--kind', 'other', '--source', 'nothing']],
] as const)('%s: refused, and nothing is stored', async ([, options]) => {
  const before = stored()
  const ran = await home.run('attach', home.at('sbom.json'), '--agreement', agreement, '--source', 'product', ...options)
  expect(ran.exitCode).not.toBe(0)
  expect(stored()).toEqual(before)
})

function flip(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}
