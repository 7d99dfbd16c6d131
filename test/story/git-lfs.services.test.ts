// The real git-lfs: a vendor's objects reach the service before its push, and a partner's checkout of what was opened is complete. So it is for a
// repository that the service pulls.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowHome, pulled } from '../doubles/escrow-home.js'
import { LfsVendor } from '../doubles/lfs-vendor.js'
import { serving } from '../doubles/serving.js'

let home: EscrowHome
let vendor: LfsVendor
const movie = Buffer.alloc(5 << 20, 'movie')
const model = Buffer.alloc(3 << 20, 'model')
const song = Buffer.alloc(2 << 20, 'song')

beforeAll(async () => {
  vendor = new LfsVendor('*.bin')
  commit('movie.bin', movie)
  vendor.inWork('checkout', '-q', '-b', 'topic')
  commit('model.bin', model)
  vendor.inWork('checkout', '-q', 'main')
  home = await EscrowHome.make(['  - source: product', '    mode: push', ...pulled('pulled', vendor.work)])
  await home.token()
}, 600_000)
afterAll(async () => {
  await home?.remove()
  vendor.remove()
})

function commit(name: string, bytes: Buffer): void {
  vendor.write(name, bytes)
  vendor.commit(name)
}

/** Open the newest deposit of a source, and check a branch of it out with git-lfs. */
async function checkout(source: string, branch: string): Promise<string> {
  const to = home.at(`${source}-${branch}.git`)
  await home.must(...home.opening(home.replica, source), ...(await home.release()), '--to', to)
  const folder = home.at(`${source}-${branch}`)
  vendor.git('clone', '-q', '--branch', branch, to, folder)
  return folder
}

test('a pulled repository is complete', async () => {
  await home.must('mirror', '--source', 'pulled')
  const topic = await checkout('pulled', 'topic')
  expect(readFileSync(join(topic, 'model.bin')).equals(model)).toBe(true)
  expect(existsSync(join(topic, 'movie.bin'))).toBe(true)
}, 600_000)

test('objects are pushed before the push, a forgotten one is told, and none is given out', async () => {
  await serving(home.home, async (url) => {
    const address = home.pushAddress(url)
    const push = (...config: readonly string[]) => vendor.ranInWork(...config, 'push', '--mirror', address)
    const first = await push()
    expect(first.exitCode, first.text).toBe(0)
    // Both came before it: git-lfs itself says so at some times and not at others.
    expect(first.text).not.toContain('LFS_OBJECT_MISSING')
    commit('song.bin', song)
    // As a CI does that has git-lfs not installed.
    const second = await push('-c', 'core.hooksPath=/dev/null')
    expect(second.text).toMatch(/LFS_OBJECT_MISSING \(1\) song\.bin/)
    // Sent later, it is found by the next deposit.
    const late = await vendor.ranInWork('lfs', 'push', '--all', address)
    expect(late.exitCode, late.text).toBe(0)
    commit('unrelated.txt', Buffer.from('nothing large'))
    const third = await push()
    expect([third.exitCode, third.text.includes('LFS_OBJECT_MISSING')], third.text).toEqual([0, false])
    rmSync(join(vendor.work, '.git', 'lfs', 'objects'), { recursive: true })
    const fetched = await vendor.ranInWork('lfs', 'fetch', address, 'main')
    expect(fetched.text).toContain('gives nothing back')
    const stranger = await vendor.ranInWork('lfs', 'push', '--all', address.replace(/ci:[^@]*@/, 'ci:nobody@'))
    expect(stranger.exitCode).not.toBe(0)
  })
  const main = await checkout('product', 'main')
  expect(readFileSync(join(main, 'movie.bin')).equals(movie)).toBe(true)
  expect(readFileSync(join(main, 'song.bin')).equals(song)).toBe(true)
  const topic = await checkout('product', 'topic')
  expect(readFileSync(join(topic, 'model.bin')).equals(model)).toBe(true)
}, 600_000)
