// Places that a party may name for its files, and that cannot take them: refused in words, with what lies there as it was.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { escrow } from '../doubles/escrow-command.js'

let folder: string
const at = (...parts: string[]) => join(folder, ...parts)
const keygen = (where: string, party: string, role: string) =>
  escrow(['keygen', where, '--party', party, '--role', role, '--country', 'CH'])

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'escrow-party-files-'))
  for (const party of ['one', 'two', 'three', 'four']) await keygen(at(party), party, 'custodian')
  await keygen(at('vendor'), 'vendor', 'depositor')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('keys are not made over others', async () => {
  const before = readFileSync(at('one', 'party.json'), 'utf8')
  const ended = await keygen(at('one'), 'other', 'custodian')
  expect([ended.exitCode, ended.err]).toEqual([2, expect.stringContaining('party.json: it exists already [FILE_EXISTS]')])
  expect(readFileSync(at('one', 'party.json'), 'utf8')).toBe(before)
})

test('a folder below a file is no folder', async () => {
  writeFileSync(at('file'), 'mine')
  const ended = await keygen(at('file'), 'other', 'custodian')
  expect([ended.exitCode, ended.err]).toEqual([2, expect.stringMatching(/a part of the path is not a folder|exists already/)])
  expect(ended.err).toContain('[FILE_')
  expect(readFileSync(at('file'), 'utf8')).toBe('mine')
})

test('shares are dealt to custodians only', async () => {
  const cards = ['one', 'two', 'three', 'vendor'].flatMap((party) => ['--custodian', at(party)])
  const ended = await escrow(['vault', 'deal', at('vault'), '--threshold', '2', ...cards])
  expect([ended.exitCode, ended.err]).toEqual([2, expect.stringContaining('expected cards of custodians, got vendor, a depositor')])
  expect(readdirSync(folder)).not.toContain('vault')
})

test.for([
  ['vault', 'arm'],
  ['agreement', 'show'],
])('of the files of %s %s the one that is none is named', async ([group, command]) => {
  const ended = await escrow([group ?? '', command ?? '', at('two', 'party.json')])
  expect([ended.exitCode, ended.err]).toEqual([2, expect.stringMatching(/^escrow: .*two\/party\.json: expected .*\[FORMAT_INVALID\]/)])
})
