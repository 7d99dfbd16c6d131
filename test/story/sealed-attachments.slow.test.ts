// A depositor seals at home what belongs to its deposits: LFS objects of its repository and files that it attaches. The operator stores ciphertext and
// knows no name; the partner opens each day as it was.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { commitFile, pointerOf } from '../doubles/lfs-server.js'
import { serving } from '../doubles/serving.js'

const vendor = new GitFixture()
let home: EscrowHome
let agreement = ''
const movie = Buffer.from('a movie of the machine '.repeat(50_000))
const sequel = Buffer.from('the sequel, forgotten at first '.repeat(5000))
const later = Buffer.from('a third one ')
const sbom = '{"spdxVersion":"SPDX-2.3"}'
const secret = 'the key that signs releases'

beforeAll(async () => {
  vendor.addCommits('refs/heads/main', 2)
  commitFile(vendor, 'refs/heads/main', 'movie.mp4', pointerOf(movie))
  keepLfs(movie)
  home = await EscrowHome.make(['  - source: product', '    mode: sealed'])
  agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  writeFileSync(home.at('components.spdx.json'), sbom)
  writeFileSync(home.at('release-key.pem'), secret)
  await home.token()
}, 300_000)
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

/** As git-lfs keeps an object. */
function keepLfs(bytes: Buffer): void {
  const oid = sha256Hex(bytes)
  const path = join(vendor.path, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4), oid)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}
interface Sealed {
  readonly outcome: string
  readonly sequence: number
  readonly manifest: { readonly attachments: readonly { readonly sha256: string }[] }
  readonly findings: readonly { readonly code: string; readonly subject: string }[]
}
const attaching = () => [
  '--attach',
  `sbom=${home.at('components.spdx.json')}`,
  '--attach',
  `build-secrets:the compartment=${home.at('release-key.pem')}`,
]
const sealing = (...more: readonly string[]) => home.run('--json', ...home.sealing(vendor.path), ...more)
const send = async (url: string, ...more: readonly string[]): Promise<Sealed> => {
  const ran = await sealing('--url', url, '--token-file', home.at('vendor.token'), ...more)
  expect(ran.exitCode, ran.err).toBe(0)
  return JSON.parse(ran.out) as Sealed
}
const folder = (root = home.replica) => join(root, 'agreements', agreement, 'sources', 'product', 'attachments')
const agesIn = (path: string) => readdirSync(path).filter((name) => /^[0-9a-f]{64}\.age$/.test(name))
const missing = ({ findings }: Sealed) => findings.filter(({ code }) => code === 'LFS_OBJECT_MISSING').map(({ subject }) => subject)

test('attachments and LFS objects travel as ciphertext with the deposit, and nothing of the service knows what they are', async () => {
  await serving(home.home, async (url) => {
    const first = await send(url, ...attaching())
    expect([first.outcome, missing(first), first.manifest.attachments.length]).toEqual(['received', [], 3])
    expect(agesIn(folder()).toSorted()).toEqual(first.manifest.attachments.map(({ sha256 }) => `${sha256}.age`).toSorted())
    // The job of the next night names the same files: that is no reason for a deposit.
    expect((await send(url, ...attaching())).outcome).toBe('unchanged')
  })
  const kept = readdirSync(home.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const entry of kept) {
    const bytes = readFileSync(join(entry.parentPath, entry.name))
    for (const text of [
      'a movie of the machine',
      sha256Hex(movie),
      sbom,
      sha256Hex(Buffer.from(sbom)),
      'components.spdx',
      secret,
      'the compartment',
    ])
      expect(bytes.includes(text), `${text} in ${entry.name}`).toBe(false)
  }
})

test('a forgotten LFS object is told by path, and the next deposit brings it, wherever the way was cut', async () => {
  const before = agesIn(folder())
  await serving(home.home, async (url) => {
    commitFile(vendor, 'refs/heads/main', 'sequel.mp4', pointerOf(sequel))
    const second = await send(url)
    expect([second.sequence, missing(second)]).toEqual([2, ['sequel.mp4']])
    // Attached files stay attached; the LFS object of the first day is that day's.
    expect([second.manifest.attachments.length, agesIn(folder())]).toEqual([2, before])

    keepLfs(sequel)
    keepLfs(later)
    commitFile(vendor, 'refs/heads/main', 'later.mp4', pointerOf(later))
    const away = await sealing('--url', url, '--token-file', home.at('no-token'))
    expect(away.exitCode).not.toBe(0)
    const outbox = folder(join(home.at('state'), 'outbox'))
    const sealed = agesIn(outbox)
    expect(sealed).toHaveLength(2)
    const largest = sealed.map((name) => readFileSync(join(outbox, name))).toSorted((a, b) => b.length - a.length)[0]!
    const at = `${url}/v1/agreements/${agreement}/sources/product/attachments/${sha256Hex(largest)}`
    const headers = { authorization: `Bearer ${readFileSync(home.at('vendor.token'), 'utf8').trim()}` }
    const type = { 'content-type': 'application/octet-stream' }
    await fetch(`${at}/pieces?offset=0`, {
      method: 'POST',
      headers: { ...headers, ...type },
      body: new Uint8Array(largest.subarray(0, 1000)),
    })
    // Another run sends the rest of this very deposit, then finds nothing new.
    expect(await send(url)).toMatchObject({ outcome: 'unchanged', sequence: 3 })
    expect(agesIn(folder()).toSorted()).toEqual([...before, ...sealed].toSorted())
    expect(await (await fetch(at, { headers })).json()).toEqual({ sizeBytes: largest.length, held: true })
  })
})

test('by hand the folder brings them; without one of them, or with another, nothing is received', async () => {
  writeFileSync(home.at('components.spdx.json'), `${sbom}\n`)
  const ran = await sealing('--out', home.at('out'), ...attaching())
  expect(ran.exitCode, ran.err).toBe(0)
  const { manifest } = JSON.parse(ran.out) as Sealed
  const [name = ''] = agesIn(folder(home.at('out')))
  expect([manifest.attachments.length, agesIn(folder(home.at('out'))).length]).toEqual([2, 1])
  const refused = async (change: (path: string) => void): Promise<string> => {
    rmSync(home.at('changed'), { recursive: true, force: true })
    cpSync(home.at('out'), home.at('changed'), { recursive: true })
    change(join(folder(home.at('changed')), name))
    const { exitCode, err } = await home.run('receive', home.at('changed'))
    expect(exitCode).not.toBe(0)
    return /\[(\w+)\]/.exec(err)?.[1] ?? err
  }
  expect(await refused((path) => rmSync(path))).toBe('NOT_FOUND')
  const bytes = readFileSync(join(folder(home.at('out')), name))
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  const flip = (path: string) => {
    writeFileSync(`${path}.new`, bytes)
    renameSync(`${path}.new`, path)
  }
  expect(await refused(flip)).toMatch(/^(?:OBJECT_CORRUPT|DIGEST_MISMATCH)$/)
  expect(await home.json('receive', home.at('out'))).toMatchObject({ sequence: 4, isNew: true })
  expect(await home.json('receive', home.at('out'))).toMatchObject({ sequence: 4, isNew: false })
  for (const wrong of ['binary=x', 'build-secrets=x', 'sbom:../x=x', 'sbom'])
    expect((await sealing('--out', home.at('never'), '--attach', wrong)).exitCode, wrong).not.toBe(0)
  expect(existsSync(home.at('never'))).toBe(false)
})

test('each deposit opens with what belonged to it; the operator checks and copies it like everything else', async () => {
  expect(await home.must('verify', home.replica, '--agreement', home.agreement)).toContain('everything that was looked at holds')
  expect((await home.run('check', '--all')).exitCode).toBe(0)
  const shares = await home.release()
  const open = async (sequence: number) => {
    const to = home.at(`opened-${sequence}.git`)
    await home.must(...home.opening(home.replica), ...shares, '--sequence', String(sequence), '--to', to)
    const lfs = (bytes: Buffer) => join(to, 'lfs', 'objects', sha256Hex(bytes).slice(0, 2), sha256Hex(bytes).slice(2, 4), sha256Hex(bytes))
    const has = [movie, sequel, later].map((bytes) => existsSync(lfs(bytes)) && readFileSync(lfs(bytes)).equals(bytes))
    expect(readFileSync(join(to, 'attachments', 'the compartment', 'release-key.pem'), 'utf8')).toBe(secret)
    return [...has, readFileSync(join(to, 'attachments', 'components.spdx.json'), 'utf8')]
  }
  expect(await open(1)).toEqual([true, false, false, sbom])
  expect(await open(2)).toEqual([true, false, false, sbom])
  expect(await open(3)).toEqual([true, true, true, sbom])
  expect(await open(4)).toEqual([true, true, true, `${sbom}\n`])
})

test('a full deposit names what the archive holds, and seals nothing again', async () => {
  const before = agesIn(folder())
  await serving(home.home, async (url) => {
    commitFile(vendor, 'refs/heads/main', 'note.txt', 'x')
    const full = await send(url, '--full')
    expect([full.sequence, full.manifest.attachments.length, agesIn(folder())]).toEqual([5, 5, before])
  })
})
