// A depositor who trusts its own repository seals without letting git hash it again: everybody is told, and whoever opens it looks after all.
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Completeness } from '../../src/format/completeness.js'
import type { Manifest } from '../../src/format/manifest.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { describeRepository } from '../doubles/test-archive.js'

/** One sealed source; the tests are one story, in order. */
const vendor = GitFixture.withEveryKindOfRef()
let home: EscrowHome
beforeAll(async () => {
  home = await EscrowHome.make(['  - source: product', '    mode: sealed'])
}, 120_000)
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

let runs = 0
async function seal(...options: readonly string[]) {
  const out = home.at(`out-${(runs += 1)}`)
  const ran = await home.run('--json', ...home.sealing(vendor.path), '--out', out, ...options)
  return { ...ran, out, said: ran.out }
}
/** Seal, and let the operator receive it. @returns findings of what is trusted, as the manifest has them, and as the depositor reads them. */
async function deposit(...options: readonly string[]) {
  const { exitCode, err, said, out } = await seal(...options)
  expect([exitCode, err]).toEqual([0, ''])
  await home.must('receive', out)
  const { manifest, findings } = JSON.parse(said) as { manifest: Manifest; findings: { code: string; subject: string }[] }
  const shown = findings.filter(({ code }) => code === 'PACK_NOT_CHECKED').map(({ subject }) => subject)
  return { kind: manifest.kind, told: manifest.findings.filter(({ code }) => code === 'PACK_NOT_CHECKED'), shown, manifest }
}
const warned = [{ code: 'PACK_NOT_CHECKED', severity: 'warning', count: 1 }]
const report = () =>
  home.json<Completeness>(
    'completeness',
    '--agreement',
    home.agreement,
    '--source',
    'product',
    '--as',
    home.party('partner'),
    '--from',
    home.replica,
  )
async function open(name: string) {
  const target = home.at(name)
  const ran = await home.run('--json', ...home.opening(home.replica), ...(await home.release()), '--to', target)
  return { ...ran, target }
}

test('a deposit that git did not look at again says so to depositor and beneficiary, and comes no further than L0', async () => {
  const remote = home.sealing('https://forge.example/product.git')
  const { exitCode, err } = await home.run(...remote, '--no-fsck', '--out', home.at('never'))
  expect([exitCode, err]).toEqual([2, expect.stringContaining('expected a repository on this machine with --no-fsck')])
  vendor.writeRaw('commit', 'not one')
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 5\n`
  vendor.git(['tag', 'pointer', vendor.writeRaw('blob', pointer)])
  const first = await deposit('--no-fsck')
  expect(first).toMatchObject({ kind: 'full', told: warned, shown: ['pack'] })
  expect(first.manifest.findings).toContainEqual({ code: 'LFS_OBJECT_MISSING', severity: 'warning', count: 1 })
  const { level, checks } = await report()
  expect([level, checks.filter(({ outcome }) => outcome === 'unknown').map(({ check }) => check)]).toEqual(['L0', ['connected', 'fsck']])
  const [finding] = checks.find(({ check }) => check === 'connected')?.findings ?? []
  expect(finding).toMatchObject({ code: 'PACK_NOT_CHECKED', add: expect.stringContaining('without --no-fsck') as string })
  expect(finding?.named).toEqual([{ subject: 'pack', detail: expect.stringContaining('no object was hashed again') as string }])
})

test('what rests on it says so too, until a full deposit is hashed', async () => {
  vendor.addCommits('refs/heads/main', 2, { label: 'second' })
  expect(await deposit('--no-fsck')).toMatchObject({ kind: 'incremental', told: warned, shown: ['pack'] })
  vendor.addCommits('refs/heads/main', 1, { label: 'third' })
  expect(await deposit()).toMatchObject({ kind: 'incremental', told: warned, shown: ['chain'] })
  vendor.git(['update-ref', 'refs/heads/again', 'refs/heads/main'])
  expect(await deposit('--no-fsck')).toMatchObject({ kind: 'incremental', told: warned, shown: ['chain'] })
})

test('whoever opens it has git look at every object, and reads what it says', async () => {
  const main = vendor.git(['rev-parse', 'refs/heads/main'])
  const tree = vendor.git(['rev-parse', `${main}^{tree}`])
  const odd = vendor.writeRaw(
    'commit',
    `tree ${tree}\nparent ${main}\nauthor Ada <ada@example.org> 1 +0000\ncommitter Ada 1 +0000\n\nodd\n`,
  )
  vendor.git(['update-ref', 'refs/heads/odd', odd])
  const before = await open('opened-before.git')
  expect([before.exitCode, (JSON.parse(before.out) as { fsck: unknown }).fsck]).toEqual([0, {}])
  expect(await deposit('--no-fsck')).toMatchObject({ kind: 'incremental', shown: ['pack'] })
  const { exitCode, out, target } = await open('opened.git')
  expect([exitCode, (JSON.parse(out) as { fsck: unknown }).fsck]).toEqual([0, { missingEmail: 1 }])
  expect(describeRepository(target)).toEqual(describeRepository(vendor.path))
  const words = await home.must(...home.opening(home.replica), ...(await home.release()), '--to', home.at('opened-in-words.git'))
  expect(words).toMatch(/checked +the depositor had not let git look at the objects again; it did now: git fsck warns: missingEmail \(1\)/)
}, 60_000)

test('an object under a false name is refused unless git is told not to look, and then by whoever opens it', async () => {
  vendor.addCommits('refs/heads/main', 1, { label: 'false', files: 1 })
  const blob = vendor.git(['rev-parse', 'main:false/file-0.txt'])
  const body = vendor.git(['cat-file', 'blob', blob])
  replaceEverywhere(blob, Buffer.from(`blob ${body.length}\0${body.replace('false', 'FALSE')}`))
  const { exitCode, err, out } = await seal('--full')
  expect([exitCode, err, existsSync(out)]).toEqual([
    expect.any(Number),
    expect.stringMatching(/PACK_INCOMPLETE|PACK_CORRUPT|REMOTE_BROKEN/),
    false,
  ])
  expect(await deposit('--full', '--no-fsck')).toMatchObject({ kind: 'full', told: warned })
  const opened = await open('false.git')
  expect([opened.err, existsSync(opened.target)]).toEqual([expect.stringContaining('RESTORE_MISMATCH'), false])
}, 60_000)

/** Make every object a loose one, and lay other bytes under the name of one of them. */
function replaceEverywhere(oid: string, bytes: Buffer): void {
  vendor.git(['repack', '-adq'])
  const folder = join(vendor.path, 'objects', 'pack')
  const packs = readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
  rmSync(folder, { recursive: true })
  for (const one of packs.filter(({ name }) => name.endsWith('.pack'))) vendor.git(['unpack-objects', '-q'], one.bytes)
  const path = join(vendor.path, 'objects', oid.slice(0, 2), oid.slice(2))
  chmodSync(path, 0o600)
  writeFileSync(path, deflateSync(bytes))
}

test('a full deposit that git hashed has nothing of the kind to say', async () => {
  rmSync(join(vendor.path, 'objects', ...loosePath(vendor.git(['rev-parse', 'main:false/file-0.txt']))))
  vendor.git(['update-ref', 'refs/heads/main', 'main~1'])
  expect(await deposit('--full')).toMatchObject({ kind: 'full', told: [], shown: [] })
  const { checks } = await report()
  expect(checks.filter(({ check }) => check === 'connected' || check === 'fsck').map(({ outcome }) => outcome)).toEqual(['pass', 'pass'])
})

const loosePath = (oid: string): readonly string[] => [oid.slice(0, 2), oid.slice(2)]
