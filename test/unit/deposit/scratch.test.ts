import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { scratchForeignAgeMaxMs } from '../../../src/core/limits.js'
import { inspectScratch, requireScratchSpace, sweepScratch, translateFull, withScratch } from '../../../src/deposit/scratch.js'
import { ManualClock } from '../../doubles/manual-clock.js'

let root: string
let clock: ManualClock

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'reduit-scratch-'))
  clock = new ManualClock(new Date(statSync(root).mtimeMs))
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

/** What a crash leaves: a folder with its owner file, copied from a living one. */
async function leave(name: string, change: (owner: Record<string, unknown>) => Record<string, unknown>): Promise<string> {
  const owner = await withScratch(
    root,
    async (folder) => JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8')) as Record<string, unknown>,
  )
  const folder = join(root, `escrow-scratch-${name}`)
  mkdirSync(join(folder, 'pack.git'), { recursive: true })
  writeFileSync(join(folder, 'pack.git', 'plaintext'), 'secret')
  writeFileSync(join(folder, 'owner.json'), JSON.stringify(change(owner)))
  return folder
}

test('a scratch folder is private, and gone afterwards', async () => {
  const folder = await withScratch(join(root, 'deep', 'er'), async (at) => {
    expect(statSync(at).mode & 0o777).toBe(0o700)
    writeFileSync(join(at, 'plaintext'), 'secret')
    return at
  })
  expect(existsSync(folder)).toBe(false)
})

test('a scratch folder is gone when the attempt fails', async () => {
  const fault = new Error('failed')
  await expect(withScratch(root, () => Promise.reject(fault))).rejects.toBe(fault)
  expect(readdirSync(root)).toEqual([])
})

test('the sweep leaves a living owner alone', async () => {
  await withScratch(root, async (folder) => {
    expect(await sweepScratch(root, clock)).toBe(0)
    expect(existsSync(folder)).toBe(true)
  })
})

test('the sweep removes what a dead process left', async () => {
  const dead = spawnSync('true').pid
  await leave('dead', (owner) => ({ ...owner, pid: dead, startTicks: '1' }))
  expect(await sweepScratch(root, clock)).toBe(1)
  expect(readdirSync(root)).toEqual([])
})

test('a pid that was used again does not protect what its former owner left', async () => {
  await leave('reused', (owner) => ({ ...owner, startTicks: '1' }))
  expect(await sweepScratch(root, clock)).toBe(process.platform === 'linux' ? 1 : 0)
})

test('what was there before the computer started again is swept', async () => {
  await leave('rebooted', (owner) => ({ ...owner, boot: 'another' }))
  expect(await sweepScratch(root, clock)).toBe(1)
})

test.for(['host', 'namespace'])('a folder of another %s is swept only when no deposit can take so long', async (where) => {
  // The pid says nothing there: here it is nobody's.
  await leave('foreign', (owner) => ({ ...owner, [where]: 'elsewhere', startTicks: '1' }))
  expect(await sweepScratch(root, clock)).toBe(0)
  clock.advance(scratchForeignAgeMaxMs + 60_000)
  expect(await sweepScratch(root, clock)).toBe(1)
})

test('a folder so young that its owner file is not written yet is left alone', async () => {
  mkdirSync(join(root, 'escrow-scratch-young'))
  expect(await sweepScratch(root, clock)).toBe(0)
  clock.advance(scratchForeignAgeMaxMs + 60_000)
  expect(await sweepScratch(root, clock)).toBe(1)
})

test('the sweep never touches what does not carry our owner file', async () => {
  const strangers = ['escrow-scratch-stranger', 'something-else']
  for (const name of strangers) {
    mkdirSync(join(root, name))
    writeFileSync(join(root, name, 'file'), '')
  }
  writeFileSync(join(root, 'escrow-scratch-stranger', 'owner.json'), '{"pid": 1}')
  clock.advance(10 * scratchForeignAgeMaxMs)
  expect(await sweepScratch(root, clock)).toBe(0)
  expect(readdirSync(root).sort()).toEqual(strangers.sort())
})

test('sweeping a root that does not exist removes nothing', async () => {
  expect(await sweepScratch(join(root, 'none'), clock)).toBe(0)
})

test('the report tells memory from disk', async () => {
  const report = await inspectScratch(root)
  expect(report.freeBytes).toBeGreaterThan(0)
  if (process.platform === 'linux' && existsSync('/dev/shm')) expect((await inspectScratch('/dev/shm')).kind).toBe('memory')
})

test.for([0, 1, 100])('%i bytes needed of 100 free are enough', (needed) => {
  expect(() => requireScratchSpace({ kind: 'disk', freeBytes: 100 }, needed)).not.toThrow()
})

test('one byte too few is refused', () => {
  expect(() => requireScratchSpace({ kind: 'disk', freeBytes: 100 }, 101)).toThrow(
    expect.objectContaining({ code: 'SCRATCH_FULL' }) as Error,
  )
})

test.for(['ENOSPC', 'EDQUOT'])('%s is a full scratch, and nothing else is', async (code) => {
  await expect(translateFull(Promise.reject(Object.assign(new Error('x'), { code })))).rejects.toMatchObject({ code: 'SCRATCH_FULL' })
  await expect(translateFull(Promise.reject(Object.assign(new Error('x'), { code: 'EIO' })))).rejects.toMatchObject({ code: 'EIO' })
})
