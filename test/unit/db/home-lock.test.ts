import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HomeLock, lockName } from '../../../src/db/home-lock.js'

let home: string
let lockFolder: string
const children: ChildProcess[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'reduit-lock-'))
  lockFolder = join(home, 'db.lock')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(home, { recursive: true })
})

// Elsewhere a process is known by its number alone.
const onLinux = test.runIf(process.platform === 'linux')
const locked = { code: 'HOME_LOCKED' }
const startIdleProcess = () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  children.push(child)
  return child
}
/** A lock as the process with this name would have left or hold it. */
const leave = async (name: string) => {
  await (await HomeLock.take(lockFolder)).release()
  await writeFile(join(lockFolder, name), '')
}

test('a lock is had by one until it is released, and release is idempotent', async () => {
  const lock = await HomeLock.take(lockFolder)
  await expect(HomeLock.take(lockFolder)).rejects.toMatchObject(locked)
  await lock.release()
  await lock.release()
  expect(await readdir(lockFolder)).toEqual([])
  await (await HomeLock.take(lockFolder)).release()
})

test('the refused taker leaves the lock of the first alone', async () => {
  const lock = await HomeLock.take(lockFolder)
  await expect(HomeLock.take(lockFolder)).rejects.toMatchObject(locked)
  expect(await readdir(lockFolder)).toHaveLength(1)
  await lock.release()
})

test('the lock of a living process holds, and that of a killed one is taken over', async () => {
  const child = startIdleProcess()
  await leave(await lockName(child.pid!))
  await expect(HomeLock.take(lockFolder)).rejects.toMatchObject(locked)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = await HomeLock.take(lockFolder)
  expect(await readdir(lockFolder)).toHaveLength(1)
  await lock.release()
})

onLinux('the lock of a dead process whose number a living one was given is taken over', async () => {
  const child = startIdleProcess()
  await leave((await lockName(child.pid!)).replace(/\d+$/, '1'))
  await (await HomeLock.take(lockFolder)).release()
  expect(await readdir(lockFolder)).toEqual([])
})

onLinux('a lock from before the last boot is taken over', async () => {
  await leave((await lockName(process.ppid)).replace(/-[0-9a-f]{8}-/, '-00000000-'))
  await (await HomeLock.take(lockFolder)).release()
  expect(await readdir(lockFolder)).toEqual([])
})

onLinux('a lock of another container holds, for its processes cannot be seen', async () => {
  await leave((await lockName(process.ppid)).replace(/-\d+-(?=\d+$)/, '-1-'))
  await expect(HomeLock.take(lockFolder)).rejects.toMatchObject(locked)
})

test('a file of another kind in the folder is neither a lock nor removed', async () => {
  await leave('README')
  await (await HomeLock.take(lockFolder)).release()
  expect(await readdir(lockFolder)).toEqual(['README'])
})

test('processes that fight for the lock never have it at the same time, and each gets it', async () => {
  await build({
    configFile: false,
    logLevel: 'silent',
    build: { ssr: join(import.meta.dirname, '../../../src/db/home-lock.ts'), outDir: join(home, 'built'), minify: false },
  })
  const contender = join(home, 'built', 'contender.mjs')
  await writeFile(contender, contenderProgram)
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => run(contender)))
  expect(outcomes).toEqual(Array.from({ length: 4 }, () => 'done'))
})

// Takes the lock five times; what it does under the lock fails if anybody else does it too.
const contenderProgram = `
import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { HomeLock } from './home-lock.js'
const [folder, critical] = process.argv.slice(2)
for (let had = 0; had < 5; ) {
  const lock = await HomeLock.take(folder).catch((error) => (error.code === 'HOME_LOCKED' ? null : Promise.reject(error)))
  if (lock !== null) {
    writeFileSync(critical, '', { flag: 'wx' })
    await wait(2)
    rmSync(critical)
    await lock.release()
    had += 1
  }
  await wait(1 + Math.random() * 10)
}
process.stdout.write('done')
`

async function run(program: string): Promise<string> {
  const child = spawn(process.execPath, [program, lockFolder, join(home, 'critical')], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let words = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (words += text))
  await once(child, 'close')
  return words
}
