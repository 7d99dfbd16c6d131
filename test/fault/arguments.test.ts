// A command line that is simply wrong: exit code 2, words that help, nothing made, and never a stack trace.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { escrow } from '../doubles/service-home.js'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-arguments-'))
  writeFileSync(join(folder, 'text'), 'neither YAML: [nor JSON')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `@` stands for a folder that exists, `@/none` for nothing. */
const at = (words: string) => words.split(' ').map((word) => word.replace('@', folder))

async function expectWrong(words: string, said: RegExp): Promise<void> {
  const ended = await escrow([...at(words), '--home', join(folder, 'home')])
  expect(ended.text).toMatch(said)
  expect(ended.text).not.toMatch(/^ +at .+:\d+:\d+/m)
  expect(ended.exitCode, ended.text).toBe(2)
  expect(ended.out).toEqual([])
  expect(existsSync(join(folder, 'none'))).toBe(false)
}

const commands = [
  'init',
  'mirror',
  'receive @',
  'check',
  'repair',
  'replicate',
  'serve',
  'token create @',
  'token list',
  'token revoke tok_a',
  'keygen @/none',
  'agreement create',
  'agreement sign @/none',
  'agreement register @/none',
  'agreement show',
  'deposit @',
  'vault deal @/none',
  'vault accept',
  'vault arm @/none',
  'vault health',
  'share release',
  'open',
  'verify @',
  'demo',
]

// Of two mistakes in one line, the first that the parser meets is named.
test.for(commands)('%s: an unknown option', (words) =>
  expectWrong(
    `${words} --no-such-option`,
    /(?:unknown option '--no-such-option'|required option '--[^]* not specified)[^]*--help tells more/,
  ),
)

test.for([
  ['replicate', '--to <folder>'],
  ['token create @', '--out <file>'],
  ['keygen @/none', '--party <name>'],
  ['agreement create', '--draft <file>'],
  ['agreement sign @/none', '--as <folder>'],
  ['agreement register @/none', '--annex <file>'],
  ['deposit @', '--sealed'],
  ['vault deal @/none', '--threshold <t>'],
  ['vault accept', '--as <folder>'],
  ['vault health', '--agreement <file>'],
  ['share release', '--as <folder>'],
  ['open', '--as <folder>'],
] as const)('%s without %s', ([words, option]) => expectWrong(words, new RegExp(`required option '${option}[^']*' not specified`)))

test.for([
  'receive',
  'keygen --party a --role custodian --country CH',
  'agreement sign --as @',
  'agreement register --annex @',
  'vault arm',
  'verify',
])('%s without its argument', (words) => expectWrong(words, /missing required argument/))

test.for(['mirror extra', 'check extra', 'init --origin a.example/1 extra'])('%s: a word too many', (words) =>
  expectWrong(words, /too many arguments/),
)

test.for(['0', '1', '-3', '2.5', '1e1', 'three', '254', '99999999999999999999'])('a threshold of %s', (threshold) =>
  expectWrong(`vault deal @/none --custodian @ --threshold=${threshold}`, /expected a whole number from 2 to 253/),
)

test.for(['', 'frobnicate', 'vault frobnicate'])('the command "%s"', async (words) => {
  const ended = await escrow(words === '' ? [] : words.split(' '))
  expect(ended.exitCode).toBe(2)
  expect(ended.text).toMatch(/Usage: escrow|unknown command/)
})

test('a role that nobody has, a country that is none, a party that is no name', async () => {
  const keygen = (party: string, role: string, country: string) => `keygen @/none --party ${party} --role ${role} --country ${country}`
  await expectWrong(keygen('a', 'king', 'CH'), /Allowed choices are depositor, beneficiary/)
  await expectWrong(keygen('a', 'custodian', 'Switzerland'), /ARGUMENT_INVALID/)
  await expectWrong(keygen('../a', 'custodian', 'CH'), /ARGUMENT_INVALID/)
})

test.for(['mirror', 'check', 'check --all', 'repair', 'agreement show', 'replicate --to @/none'])(
  '%s in a home folder that is none',
  (words) => expectWrong(words, /\[HOME_MISSING\][^]*run `escrow init` first/),
)

test.for([
  'agreement sign @/nothing --as @',
  'agreement create --draft @/nothing --service @/nothing --vault @/nothing --party @/nothing --out @/none',
  'agreement register @/nothing --annex @/nothing',
  'vault arm @/nothing',
  'vault deal @/none --threshold 3 --custodian @/nothing',
  'vault accept --as @/nothing --agreement @/nothing --share @/nothing --out @/none',
  'vault health --agreement @/nothing',
  'share release --as @/nothing --agreement @/nothing --share @/nothing --to a --out @/none',
  'open --as @/nothing --agreement @/nothing --from @/nothing --source a --share @/nothing --to @/none',
])('%s: files that are not there', (words) => expectWrong(words, /there is no such file or folder|KEY_MISSING/))

test.for(['agreement sign @/text --as @', 'vault health --agreement @/text', 'vault deal @/none --threshold 3 --custodian @/text'])(
  '%s: a file that is something else',
  (words) => expectWrong(words, /\[(?:FORMAT_INVALID|KEY_MISSING)\]/),
)

test('with --json an error is JSON on standard error', async () => {
  const ended = await escrow(['mirror', '--json', '--home', join(folder, 'home')])
  expect(ended.exitCode).toBe(2)
  expect(JSON.parse(ended.err.join(''))).toMatchObject({ error: { code: 'HOME_MISSING', advice: expect.any(String) as string } })
})
