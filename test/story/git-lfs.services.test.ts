// The real git-lfs: a vendor's objects reach the service before its push, and a partner's checkout of what was opened is complete. So it is for a
// repository that the service pulls.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { gitEnvironment } from '../doubles/git-fixture.js'
import { run, type GitRan } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'

let home: EscrowHome
let vendor = ''
let environment: NodeJS.ProcessEnv
const movie = Buffer.alloc(5 << 20, 'movie')
const model = Buffer.alloc(3 << 20, 'model')
const song = Buffer.alloc(2 << 20, 'song')

beforeAll(async () => {
  vendor = mkdtempSync(join(tmpdir(), 'reduit-git-lfs-'))
  mkdirSync(join(vendor, 'home'), { recursive: true })
  const own = { HOME: join(vendor, 'home'), GIT_CONFIG_GLOBAL: join(vendor, 'home', '.gitconfig') }
  environment = { ...gitEnvironment, ...own, GIT_TERMINAL_PROMPT: '0' }
  git(['init', '-q', '-b', 'main', work()])
  execFileSync('git', ['lfs', 'install', '--skip-repo'], { env: environment })
  inWork('lfs', 'install')
  inWork('config', 'user.name', 'Ada')
  inWork('config', 'user.email', 'ada@example.org')
  inWork('lfs', 'track', '*.bin')
  commit('movie.bin', movie)
  inWork('checkout', '-q', '-b', 'topic')
  commit('model.bin', model)
  inWork('checkout', '-q', 'main')
  home = await EscrowHome.make(['  - source: product', '    mode: push', '  - source: pulled', `    url: ${work()}`])
}, 600_000)
afterAll(async () => {
  await home.remove()
  rmSync(vendor, { recursive: true, force: true })
})

const work = (): string => join(vendor, 'work')
const git = (args: readonly string[]): string => execFileSync('git', [...args], { env: environment, stdio: 'pipe' }).toString()
const inWork = (...args: readonly string[]): string => git(['-C', work(), ...args])
function commit(name: string, bytes: Buffer): void {
  writeFileSync(join(work(), name), bytes)
  inWork('add', '.gitattributes', name)
  inWork('commit', '-q', '-m', name)
}

/** Open the newest deposit of a source, and check a branch of it out with git-lfs. */
async function checkout(source: string, branch: string): Promise<string> {
  const to = home.at(`${source}-${branch}.git`)
  await home.must(...home.opening(home.replica, source), ...(await home.release()), '--to', to)
  const folder = home.at(`${source}-${branch}`)
  git(['clone', '-q', '--branch', branch, to, folder])
  return folder
}

test('a pulled repository is complete', async () => {
  await home.must('mirror', '--source', 'pulled')
  const topic = await checkout('pulled', 'topic')
  expect(readFileSync(join(topic, 'model.bin')).equals(model)).toBe(true)
  expect(existsSync(join(topic, 'movie.bin'))).toBe(true)
}, 600_000)

test('objects are pushed before the push, a forgotten one is told, and none is given out', async () => {
  const token = home.at('ci.token')
  await home.must('token', 'create', home.at('parties', 'vendor', 'party.json'), '--label', 'ci', '--days', '30', '--out', token)
  await serving(home.home, async (url) => {
    const { agreement } = openAgreement(readFileSync(home.agreement)).body
    const address = `${url.replace('//', `//ci:${readFileSync(token, 'utf8').trim()}@`)}/git/${agreement}/product.git`
    const push = (...more: readonly string[]): Promise<GitRan> =>
      run('git', ['-C', work(), ...more, 'push', '--mirror', address], environment)
    const first = await push()
    expect(first.exitCode, first.text).toBe(0)
    // Both came before it: git-lfs itself says so at some times and not at others.
    expect(first.text).not.toContain('LFS_OBJECT_MISSING')
    commit('song.bin', song)
    // As a CI does that has git-lfs not installed.
    const second = await push('-c', 'core.hooksPath=/dev/null')
    expect(second.text).toMatch(/LFS_OBJECT_MISSING \(1\) song\.bin/)
    // Sent later, it is found by the next deposit.
    const late = await run('git', ['-C', work(), 'lfs', 'push', '--all', address], environment)
    expect(late.exitCode, late.text).toBe(0)
    commit('unrelated.txt', Buffer.from('nothing large'))
    const third = await push()
    expect([third.exitCode, third.text.includes('LFS_OBJECT_MISSING')], third.text).toEqual([0, false])
    rmSync(join(work(), '.git', 'lfs', 'objects'), { recursive: true })
    const fetched = await run('git', ['-C', work(), 'lfs', 'fetch', address, 'main'], environment)
    expect(fetched.text).toContain('gives nothing back')
    const stranger = await run('git', ['-C', work(), 'lfs', 'push', '--all', address.replace(/ci:[^@]*@/, 'ci:nobody@')], environment)
    expect(stranger.exitCode).not.toBe(0)
  })
  const main = await checkout('product', 'main')
  expect(readFileSync(join(main, 'movie.bin')).equals(movie)).toBe(true)
  expect(readFileSync(join(main, 'song.bin')).equals(song)).toBe(true)
  const topic = await checkout('product', 'topic')
  expect(readFileSync(join(topic, 'model.bin')).equals(model)).toBe(true)
}, 600_000)
