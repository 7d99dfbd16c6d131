// One whole released case that another run wrote, and everything that must not be taken for it (docs/formats/release-case.md).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/holder/release/holder-case-lines.js'
import { openCase, requireNothingHidden, type OpenedCase } from '../../../src/cli/holder/release/holder-case.js'
import { countVotes, loggedState, requireReleasing } from '../../../src/cli/holder/release/holder-case-votes.js'
import { requireEvidence } from '../../../src/cli/holder/release/holder-evidence.js'
import { openAgreement } from '../../../src/format/signed-agreement.js'
import vector from '../../vectors/release-case.json' with { type: 'json' }

type Files = Readonly<Record<string, string>>
const pinned = openAgreement(Buffer.from(vector.pinned))
const whole: Files = vector.files
const names = Object.keys(whole)
const named = (pattern: RegExp): string => names.find((name) => pattern.test(name)) ?? 'none'
let root: string
let cases = 0
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'reduit-vector-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

function folderOf(files: Files): string {
  const folder = join(root, String((cases += 1)))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
const open = (files: Files, heard: readonly string[] = []): Promise<OpenedCase> => openCase(folderOf(files), pinned, { now: null, heard })
const without = (name: string): Files => Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name))
const withText = (name: string, change: (text: string) => string): Files => ({ ...whole, [name]: change(whole[name] ?? '') })

test('the vector is a released case that holds in every part', async () => {
  const one = await open(whole)
  expect(loggedState(one).state).toBe('released')
  expect(one.shares).toHaveLength(3)
  const last = new Date(one.events.at(-1)?.event.at ?? '')
  expect(countVotes(one, last)).toMatchObject({ bodies: [expect.objectContaining({ approvals: ['notary', 'university', 'chamber'] })] })
  expect(requireReleasing(one, last)).toBeInstanceOf(Date)
  expect(() => requireEvidence(one.evidence)).not.toThrow()
  const shown = linesOf(one, last).join('\n')
  for (const words of ['The vendor is bankrupt.', 'The register shows it.', 'as signed for', 'key in words', 'approval by notary']) {
    expect(shown).toContain(words)
  }
})

test.for([
  [
    'the agreement is another version',
    withText('agreement.json', (text) => text.replace(/"payload":"(.{60})./, '"payload":"$1A')),
    'FORMAT_INVALID',
  ],
  ['the request is altered', withText('request.json', (text) => text.replace(/"payload":"(.{60})./, '"payload":"$1A')), 'FORMAT_INVALID'],
  ['the request is not signed', withText('request.json', (text) => text.replace(/"sig":"..../, '"sig":"AAAA')), 'SIGNATURE_INVALID'],
  ['a vote is in the place of the request', { ...whole, 'request.json': whole[named(/^statements/)] ?? '' }, 'STATEMENT_INVALID'],
  ['the log begins late', without(named(/000001\.json$/)), 'CHAIN_BROKEN'],
  ['the log has a gap', without(named(/000003\.json$/)), 'CHAIN_BROKEN'],
  ['an event is altered', withText(named(/000002\.json$/), (text) => text.replace('"to":"', '"to":"a')), 'PROOF_INVALID'],
  ['an event is dated back', withText(named(/000002\.json$/), (text) => text.replace(/"at":"2/, '"at":"1')), 'PROOF_INVALID'],
  [
    'an event carries the salt of another',
    withText(named(/000002\.json$/), (text) => text.replace(/"salt":"../, '"salt":"00')),
    'PROOF_INVALID',
  ],
  ['the evidence is another document', withText(named(/^evidence/), () => 'Nothing of the sort.'), 'DIGEST_MISMATCH'],
  ['the evidence is cut short', withText(named(/^evidence/), (text) => text.slice(0, -1)), 'DIGEST_MISMATCH'],
  ['a vote is not signed', withText(named(/^statements/), (text) => text.replace(/"sig":"..../, '"sig":"AAAA')), 'SIGNATURE_INVALID'],
  ['a statement is no statement', { ...whole, 'statements/x.json': '{}' }, 'FORMAT_INVALID'],
  ['a share is not signed', withText(named(/^shares/), (text) => text.replace(/"sig":"..../, '"sig":"AAAA')), 'SIGNATURE_INVALID'],
] as const)('refused: %s', async ([, files, code]) => {
  await expect(open(files)).rejects.toMatchObject({ code })
})

test('a pinned agreement that is not the one shown refuses everything', async () => {
  const other = { ...pinned, digest: 'ab'.repeat(32) }
  await expect(openCase(folderOf(whole), other, { now: null })).rejects.toMatchObject({ code: 'AGREEMENT_DIGEST' })
})

test('without its last events the case is still in an earlier state, and no share is sealed', async () => {
  const early = Object.fromEntries(Object.entries(whole).filter(([name]) => !/log\/0000(?:0[6-9]|1)/.test(name)))
  const one = await open(early)
  expect(loggedState(one).state).toBe('approval')
  expect(() => requireReleasing(one, new Date('2030-01-01T00:00:00.000Z'))).toThrow(expect.objectContaining({ code: 'REQUEST_STATE' }))
})

test('votes whose documents are left out do not count', async () => {
  const unheard = Object.fromEntries(Object.entries(whole).filter(([name]) => name !== named(/^statements/)))
  const one = await open(unheard)
  expect(() => requireReleasing(one, new Date('2030-01-01T00:00:00.000Z'))).toThrow(expect.objectContaining({ code: 'REQUEST_STATE' }))
})

test('a missing document is named, and an unnamed one means nothing', async () => {
  const one = await open({ ...without(named(/^evidence/)), 'evidence/more': 'something' })
  expect(one.evidence).toEqual([expect.objectContaining({ title: 'extract', path: null })])
  expect(() => requireEvidence(one.evidence)).toThrow(expect.objectContaining({ code: 'EVIDENCE_MISSING' }))
})

test('an objection that the depositor sent directly, and that the log does not show, stops the reader', async () => {
  const path = join(root, 'heard.json')
  writeFileSync(path, vector.heard)
  const one = await open(whole, [path])
  expect(one.hidden).toEqual([expect.objectContaining({ signer: 'vendor' })])
  expect(() => requireNothingHidden(one)).toThrow(expect.objectContaining({ code: 'STATEMENT_HIDDEN' }))
})
