// What a command prints goes nowhere: the work goes on to its end, and lost lines are told without a stack trace.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuiltEscrow } from '../doubles/built-escrow.js'

let built: BuiltEscrow
let folder: string

beforeAll(() => {
  built = BuiltEscrow.build()
  folder = mkdtempSync(join(tmpdir(), 'escrow-output-'))
}, 120_000)
afterAll(() => {
  built?.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** Run a line of bash in which `escrow` is the program; the exit code is that of `escrow`. */
function bash(line: string) {
  const program = `escrow() { "${process.execPath}" "${join(built.dist, 'src/cli/main.js')}" "$@"; }`
  const ran = spawnSync('bash', ['-c', `set -o pipefail; ${program}; ${line}`], { cwd: folder, encoding: 'utf8', timeout: 60_000 })
  return { exitCode: ran.status, out: ran.stdout, err: ran.stderr }
}

const keygen = (party: string) => `keygen ${party} --party ${party} --role custodian --country CH`

test('a reader that goes at once', () => {
  expect(bash(`escrow ${keygen('one')} | exec true; echo "\${PIPESTATUS[0]}"`)).toEqual({ exitCode: 0, out: '0\n', err: '' })
  expect(bash('escrow --help | exec true; echo "${PIPESTATUS[0]}"')).toEqual({ exitCode: 0, out: '0\n', err: '' })
})

test('a full disk behind standard output', () => {
  for (const words of [keygen('two'), '--help']) {
    const ended = bash(`escrow ${words} > /dev/full`)
    expect(ended).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('escrow: standard output: the disk is full [FILE_UNREADABLE]'),
    })
    expect(ended.err).not.toContain('    at ')
  }
  expect(JSON.parse(bash(`escrow ${keygen('three')} --json > /dev/full`).err)).toMatchObject({ error: { code: 'FILE_UNREADABLE' } })
})

test('standard error that takes nothing does not change how a run ends', () => {
  expect(bash('escrow mirror --nothing 2> /dev/full').exitCode).toBe(2)
  expect(bash('escrow mirror --nothing 2>&-').exitCode).toBe(2)
})
