import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOwnBytes } from '../../src/crypto/open-own-bytes.js'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { describeRepository } from '../doubles/test-archive.js'

/** One sealed source; the tests are one story, in order. */
const fixture = GitFixture.withEveryKindOfRef()
let home: EscrowHome
beforeAll(async () => {
  home = await EscrowHome.make(['  - source: product', '    mode: sealed'])
}, 120_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

const seal = (out: string, ...options: readonly string[]) =>
  home.run('--json', ...home.sealing(fixture.path), '--out', home.at(out), ...options)
interface Sealed {
  readonly outcome: string
  readonly sequence: number
  readonly kind: string
}
const mustSeal = async (out: string, ...options: readonly string[]): Promise<Sealed> => {
  const ran = await seal(out, ...options)
  expect([ran.exitCode, ran.err]).toEqual([0, ''])
  const { outcome, sequence, kind } = JSON.parse(ran.out) as Sealed
  return { outcome, sequence, kind }
}
const files = (out: string) =>
  readdirSync(home.at(out), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
const fileOf = (out: string, suffix: string) => files(out).find((path) => path.endsWith(suffix)) ?? ''

test('of two at once one is refused, and the other goes on as if it were alone', async () => {
  const both = await Promise.all(['first', 'second'].map((out) => seal(out)))
  expect(both.map(({ exitCode }) => exitCode)).toEqual(expect.arrayContaining([0, 7]))
  expect(both.find(({ exitCode }) => exitCode === 7)?.err).toMatch(/HOME_LOCKED/)
  expect(['first', 'second'].filter((out) => existsSync(home.at(out)))).toHaveLength(1)
})

test('what never arrived never happened: its number is given again', async () => {
  expect(await mustSeal('lost')).toEqual({ outcome: 'sealed', sequence: 1, kind: 'full' })
  expect(await mustSeal('out-1')).toEqual({ outcome: 'sealed', sequence: 1, kind: 'full' })
})

test('the agent cannot open what it receives, and a changed or unfinished folder is refused', async () => {
  const { identity } = await openPartyFolder(join(home.home, 'keys'))
  for (const suffix of ['.inventory.age', '.bundle.age']) {
    expect(() => openOwnBytes(readFileSync(fileOf('out-1', suffix)), identity)).toThrow(
      expect.objectContaining({ code: 'ENVELOPE_RECIPIENT' }),
    )
  }
  const refused = async (change: (folder: string) => void): Promise<string> => {
    rmSync(home.at('changed'), { recursive: true, force: true })
    cpSync(home.at('out-1'), home.at('changed'), { recursive: true })
    change('changed')
    const { exitCode, err } = await home.run('receive', home.at('changed'))
    expect(exitCode).not.toBe(0)
    return /\[(\w+)\]/.exec(err)?.[1] ?? err
  }
  const flip = (path: string) => {
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
    rmSync(path)
    writeFileSync(path, bytes)
  }
  expect(await refused((folder) => rmSync(fileOf(folder, 'manifest.json')))).toBe('NOT_FOUND')
  expect(await refused((folder) => flip(fileOf(folder, '.bundle.age')))).toBe('OBJECT_CORRUPT')
  expect(await refused((folder) => flip(fileOf(folder, '.inventory.age')))).toBe('OBJECT_CORRUPT')
  expect(await refused((folder) => rmSync(fileOf(folder, 'deposit-statement.json')))).toBe('OBJECT_MISSING')
  expect(
    readdirSync(home.replica, { recursive: true }).filter((name) => String(name).endsWith('.age') && /-full/.test(String(name))),
  ).toEqual([])
}, 60_000)

test('a full deposit is received, once', async () => {
  expect(await home.json('receive', home.at('out-1'))).toMatchObject({ sequence: 1, kind: 'full', isNew: true })
  expect(await home.json('receive', home.at('out-1'))).toMatchObject({ sequence: 1, isNew: false })
  const late = await home.run('receive', home.at('lost'))
  expect([late.exitCode, late.err]).toEqual([6, expect.stringContaining('DEPOSIT_STATE')])
}, 60_000)

test('an unchanged source makes no deposit, and leaves no folder', async () => {
  expect(await mustSeal('nothing')).toMatchObject({ outcome: 'unchanged', sequence: 1 })
  expect(existsSync(home.at('nothing'))).toBe(false)
})

test('an incremental follows from the memory of the depositor alone, and the chain opens', async () => {
  fixture.addCommits('refs/heads/main', 3, { label: 'second' })
  expect(await mustSeal('out-2')).toEqual({ outcome: 'sealed', sequence: 2, kind: 'incremental' })
  await home.must('receive', home.at('out-2'))
  const state = describeRepository(fixture.path)
  const verified = await home.run('verify', home.replica, '--agreement', home.agreement)
  expect([verified.exitCode, verified.out]).toEqual([0, expect.stringContaining('2, the newest is 2')])
  await home.must(...home.opening(home.replica), ...(await home.release()), '--to', home.at('restored.git'))
  expect(describeRepository(home.at('restored.git'))).toEqual(state)
}, 60_000)

test('a depositor who lost its memory goes on with a full deposit after the last accepted one', async () => {
  rmSync(home.at('state'), { recursive: true })
  fixture.addCommits('refs/heads/main', 1, { label: 'third' })
  expect(await mustSeal('out-3', '--receipt', fileOf('out-2', 'accepted.json'))).toEqual({ outcome: 'sealed', sequence: 3, kind: 'full' })
  await home.must('receive', home.at('out-3'))
  expect(await home.must('verify', home.replica, '--agreement', home.agreement)).toContain('3, the newest is 3')
}, 60_000)

test('a receipt is the word of the agent too; one of a stranger is not', async () => {
  const stranger = await seal('never', '--receipt', fileOf('out-1', 'deposit-statement.json'))
  expect([stranger.exitCode === 0, existsSync(home.at('never'))]).toEqual([false, false])
  rmSync(fileOf('out-3', 'accepted.json'))
  const receipts = readdirSync(home.replica, { recursive: true }).map(String)
  const receipt = receipts.find((path) => path.endsWith('0000000003-full/receipt.json')) ?? ''
  fixture.addCommits('refs/heads/main', 1, { label: 'fourth' })
  expect(await mustSeal('out-4', '--receipt', join(home.replica, receipt))).toEqual({ outcome: 'sealed', sequence: 4, kind: 'incremental' })
})
