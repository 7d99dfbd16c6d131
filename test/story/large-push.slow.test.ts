// A push beyond 2^31 bytes, where a signed number of 32 bits ends: in one object, in the offset of the objects after it, in the pack, and in the
// sealed file. What is restored is what was pushed, byte for byte.
import { spawn } from 'node:child_process'
import { createCipheriv, createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { gitEnvironment } from '../doubles/git-fixture.js'
import { run } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'

// Ten gibibytes belong on a disk, not into the memory that tests take for one.
delete process.env['TMPDIR']
const largeBytes = 2 ** 31 + 12_345
const roomBytes = 12 * 2 ** 30
const { bavail, bsize } = statfsSync(tmpdir())
let folder = ''
let repository = ''
let home: EscrowHome
let pushed = ''

describe.runIf(bavail * bsize >= roomBytes)('where a disk has room for 12 GiB', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'reduit-large-'))
    repository = join(folder, 'product.git')
    pushed = await makeRepository()
    home = await EscrowHome.make(['  - source: product', '    mode: push'])
    await home.token()
  }, 600_000)
  afterAll(async () => {
    await home.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a push of more than 2 GiB is one deposit, and is restored', async () => {
    await serving(home.home, async (url) => {
      const to = home.pushAddress(url)
      const ran = await run('git', ['--git-dir', repository, 'push', '--mirror', to], gitEnvironment)
      expect([ran.exitCode, /deposit 1 \(full\).*: 1 refs, 4 objects, 2048\.\d MiB/.test(ran.text)], ran.text).toEqual([0, true])
      const again = await run('git', ['--git-dir', repository, 'push', '--mirror', to], gitEnvironment)
      expect(again.text).toContain('nothing is new since deposit 1')
    })
    rmSync(repository, { recursive: true })
    // One replica is enough, and the disk of a small machine is not.
    const other = join(home.home, 'replicas', 'b')
    expect(envelopesIn(other)).toEqual(envelopesIn(join(home.home, 'replicas', 'a')))
    rmSync(other, { recursive: true })
    expect(await home.must('verify', home.replica, '--agreement', home.agreement)).toContain('everything that was looked at holds')
    const restored = home.at('restored.git')
    await home.must(...home.opening(home.replica), ...(await home.release()), '--to', restored)
    expect(await digestOf(restored, 'a-large.bin')).toBe(pushed)
    expect(await digestOf(restored, 'b-small.txt')).toBe(createHash('sha256').update('small\n').digest('hex'))
  }, 900_000)
})

/** One commit with a file that nothing can compress, and a small one after it in the pack. @returns the digest of the large file. */
async function makeRepository(): Promise<string> {
  await run('git', ['init', '-q', '--bare', '-b', 'main', repository], gitEnvironment)
  const settings = ['core.compression=0', 'core.fsync=none'].flatMap((setting) => ['-c', setting])
  const git = spawn('git', ['--git-dir', repository, ...settings, 'fast-import', '--quiet'], { env: gitEnvironment })
  const ended = once(git, 'close')
  const put = async (bytes: string | Uint8Array) => {
    if (!git.stdin.write(bytes)) await once(git.stdin, 'drain')
  }
  const [cipher, hash, zeros] = [
    createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16)),
    createHash('sha256'),
    Buffer.alloc(1 << 20),
  ]
  await put('commit refs/heads/main\ncommitter Ada <ada@example.org> 1750000000 +0000\ndata 5\nlarge\n')
  await put(`M 100644 inline a-large.bin\ndata ${largeBytes}\n`)
  for (let left = largeBytes; left > 0; left -= zeros.length) {
    const block = cipher.update(zeros.subarray(0, Math.min(left, zeros.length)))
    hash.update(block)
    await put(block)
  }
  git.stdin.end('\nM 100644 inline b-small.txt\ndata 6\nsmall\n\ndone\n')
  expect((await ended)[0]).toBe(0)
  return hash.digest('hex')
}

/** What a file of HEAD is, by git itself. */
async function digestOf(gitDir: string, path: string): Promise<string> {
  const git = spawn('git', ['-c', 'safe.directory=*', '--git-dir', gitDir, 'cat-file', 'blob', `HEAD:${path}`], { env: gitEnvironment })
  const hash: Hash = createHash('sha256')
  for await (const block of git.stdout) hash.update(block as Uint8Array)
  return hash.digest('hex')
}

function envelopesIn(replica: string): readonly number[] {
  const sizes = readdirSync(replica, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.bundle.age'))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size)
  expect(sizes).toHaveLength(1)
  expect(sizes[0]).toBeGreaterThan(largeBytes)
  return sizes
}
