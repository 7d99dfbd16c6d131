// A command line that is simply wrong: exit code 2, words that name the right form, nothing made, and never a stack trace.
// Lines are made from the tree of commands, so that a new command is here without anybody thinking of it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FORMS, formWordOf } from '../../src/cli/option-forms.js'
import { EXIT_MEANINGS } from '../../src/cli/exit-code.js'
import { beginnings } from '../../src/cli/program-help.js'
import { escrow } from '../doubles/escrow-command.js'
import { allCommands, isNumber, lineOf, type CommandLine } from './command-lines.js'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-arguments-'))
  writeFileSync(join(folder, 'text'), 'neither YAML: [nor JSON')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `@` stands for a folder that exists, `@/none` for nothing. */
const at = (words: string) => words.split(' ').map((word) => word.replace('@', folder))

async function expectWrong(argv: string | readonly string[], said: RegExp): Promise<void> {
  const words = typeof argv === 'string' ? at(argv) : argv.map((word) => word.replace('@', folder))
  const ended = await escrow(['--home', join(folder, 'home'), ...words])
  expect(ended.text, words.join(' ')).toMatch(said)
  expect(ended.text).not.toMatch(/^ +at .+:\d+:\d+/m)
  expect(ended.exitCode, ended.text).toBe(2)
  expect(ended.out).toBe('')
  for (const made of ['none', 'nothing', 'home']) expect(existsSync(join(folder, made)), words.join(' ')).toBe(false)
}

/** The command with all that it demands, and an option more. */
function withOption(command: CommandLine, option: string): readonly string[] {
  const line = lineOf(command)
  return line.toSpliced(line.indexOf('--'), 0, option)
}

const commands = allCommands()
const each = commands.map((command) => [command.name, command] as const)

test('the tree has all commands', () => {
  expect(commands.length).toBeGreaterThan(35)
  expect(commands.map(({ name }) => name)).toEqual(expect.arrayContaining(['mirror', 'agreement create', 'release record', 'verify']))
})

test('the help sends each party to commands that there are', () => {
  const named = beginnings.flatMap(([, line]) => line.split(/, | or /)).filter((name) => name !== 'git push')
  expect(named.length).toBeGreaterThan(25)
  expect(named.filter((name) => !commands.some((command) => command.name === name))).toEqual([])
})

test.for(each)('%s: an unknown option', async ([, command]) => {
  await expectWrong(withOption(command, '--no-such-option'), /unknown option '--no-such-option'[^]*--help tells more/)
})

test.for(
  each.flatMap(([name, command]) =>
    command.options.filter(({ mandatory }) => mandatory).map((option) => [name, option.flags, command, option] as const),
  ),
)('%s without %s', ([, flags, command, option]) =>
  expectWrong(lineOf(command, { without: option }), new RegExp(`required option '${flags.replaceAll(/[[\]]/g, '\\$&')}' not specified`)),
)

test.for(
  each.flatMap(([name, command]) =>
    command.options.filter(({ required }) => required).map((option) => [name, option.long, command] as const),
  ),
)('%s %s without its value', ([, long, command]) =>
  expectWrong([...lineOf(command).filter((word) => word !== '--' && !word.startsWith(`${long}=`)), `${long}`], /argument missing/),
)

test.for(
  each.flatMap(([name, command]) =>
    command.arguments.filter(({ required }) => required).map((argument) => [name, argument.name(), command, argument] as const),
  ),
)('%s without <%s>', ([, , command, argument]) => expectWrong(lineOf(command, { without: argument }), /missing required argument '/))

test.for(each.filter(([, command]) => command.arguments.at(-1)?.variadic !== true))('%s: a word too many', async ([, command]) => {
  const optional = command.arguments.filter(({ required }) => !required).map(() => '@/nothing')
  // An optional argument may have a form of its own, and be what is wrong first.
  await expectWrong([...lineOf(command), ...optional, 'extra'], /too many arguments|is invalid.*\. expected/)
})

/** What is not of a form. A form that is missing here fails the test below. */
const malformed: Readonly<Record<string, readonly string[]>> = {
  'file name': ['', '..', 'a/b', '.hidden', '-rf', 'NUL', 'a\u202eb'],
  id: ['', 'product', 'agr_', `agr_${'A'.repeat(20)}`, `agr_${'a'.repeat(21)}`, `req_${'a'.repeat(20)}`, '../agr_aaaaaaaaaaaaaaaaaaaa'],
  request: ['', 'first', `agr_${'a'.repeat(20)}`, `req_${'a'.repeat(19)}`],
  'request or order': ['', 'first', 'f'.repeat(63), 'F'.repeat(64)],
  token: ['', 'mine', 'tok_', `tok_${'a'.repeat(20)}.${'A'.repeat(43)}`],
  order: ['', '7', 'f'.repeat(63), 'F'.repeat(64)],
  drill: ['', '7', 'f'.repeat(63), 'F'.repeat(64)],
  name: ['', '-x', '--upload-pack=touch', 'Product', 'a/b', '../a', 'a'.repeat(64), 'ä'],
  party: ['', '-x', 'Partner', 'a b'],
  'name[@sequence]': ['', 'product@', 'product@-1', 'product@one', 'product@1234567890', '@1'],
  code: ['', 'ch', 'CHE', 'Switzerland', 'C1'],
  finding: ['', 'refs_rewritten', 'NO_SUCH_FINDING'],
  oid: ['', 'HEAD', 'f'.repeat(39), 'F'.repeat(40), 'f'.repeat(63)],
  instant: ['', 'now', '2026-11-22', '2026-02-31T10:00:00.000Z', '2026-11-22T10:00:00Z', '2026-11-22T10:00:00.000+01:00'],
  moment: ['', 'yesterday', '22.11.2026', '2026-13-01', '2026-02-31', '2026-11-22 10:00', '20261122'],
  'key name': ['', 'two words', 'a+b', 'a\nb'],
  key: ['', 'log.example/1', 'log.example/1+00000000+AAAA', 'age1qqqq'],
  'title=file': ['', 'title', '=file', 'title='],
  'kind[:name]=file': ['', 'sbom', '=file', 'sbom=', 'sbom:=file', 'SBOM=file'],
  'source=file': ['', 'product', '=file', 'product=', 'Product=file'],
  words: ['', 'red \u001B[31m', 'back \u202E wards', 'null \0'],
  text: ['', 'null \0'],
  address: ['', 'a b', 'a;b'],
}
const numbers = ['', '-1', '2.5', '1e1', '0x10', 'three', ' 3', '99999999999999999999', 'NaN', 'Infinity']
const paths = ['', 'a\0b', 'x'.repeat(5000)]

/** What is wrong for an option or argument, and what must be said of it; null for one that takes no value. */
function mistakesIn(
  form: string | null,
  kind: { readonly number: boolean; readonly choices: boolean },
): [readonly string[], RegExp] | null {
  if (form === null) return null
  if (kind.choices) return [['', 'king', 'CUSTODIAN'], /Allowed choices are/]
  if (kind.number) return [numbers, /expected a whole number from \d+ to \d+/]
  const known = FORMS.get(form)
  expect(known, `<${form}> is no form that src/cli/option-forms.ts knows: give it one`).toBeDefined()
  const words = malformed[form] ?? (known?.expected.startsWith('a path') === true ? paths : [])
  expect(words, `<${form}> needs malformed words`).not.toEqual([])
  return [words, /is invalid.*\. expected /]
}

test.for(each)('%s: every value that has not its form', async ([, command]) => {
  for (const option of command.options) {
    const mistakes = mistakesIn(formWordOf(option.flags), { number: isNumber(option), choices: option.argChoices !== undefined })
    for (const word of mistakes?.[0] ?? []) await expectWrong(lineOf(command, { instead: [option, word] }), mistakes?.[1] ?? /never/)
  }
  for (const argument of command.arguments) {
    const mistakes = mistakesIn(argument.name(), { number: false, choices: argument.argChoices !== undefined })
    for (const word of mistakes?.[0] ?? []) await expectWrong(lineOf(command, { instead: [argument, word] }), mistakes?.[1] ?? /never/)
  }
})

// What the demo walks through is a test of its own; here it would make a whole service.
test.for(each.filter(([name]) => name !== 'demo'))(
  '%s --json: whatever comes of it is JSON, with files that are not there',
  async ([, command]) => {
    const own = mkdtempSync(join(folder, 'json-'))
    const words = lineOf(command).map((word) => word.replace('@', own))
    const stop = AbortSignal.abort(new DOMException('interrupted', 'AbortError'))
    const ended = await escrow(['--json', '--home', join(own, 'home'), ...words], stop)
    if (ended.exitCode === 0) {
      expect(JSON.parse(ended.out)).toEqual(expect.any(Object))
      return
    }
    expect(ended.out).toBe('')
    expect(JSON.parse(ended.err)).toMatchObject({
      error: { code: expect.stringMatching(/^(?!BUG)[A-Z0-9_]+$/) as string, advice: expect.any(String) as string },
    })
    expect(Object.keys(EXIT_MEANINGS).map(Number)).toContain(ended.exitCode)
  },
)

test.for(each)('%s --json: a mistake in the line is JSON too', async ([, command]) => {
  const ended = await escrow(['--json', ...withOption(command, '--no-such-option')])
  expect(ended.exitCode).toBe(2)
  expect(JSON.parse(ended.err)).toMatchObject({
    error: { code: 'ARGUMENT_INVALID', message: "unknown option '--no-such-option'" },
  })
})

test.for(each)('%s --help says what it does and every value that it takes', async ([, command]) => {
  const ended = await escrow([...command.name.split(' '), '--help'])
  expect(ended.exitCode).toBe(0)
  expect(ended.text).toMatch(/^Usage: escrow .+\n\n\S.{10}/)
  for (const option of command.options) expect(ended.text).toContain(option.flags)
  for (const { description } of [...command.options, ...command.arguments]) expect(description).not.toBe('')
})

test.for(['', 'frobnicate', 'vault frobnicate', 'vault', 'release'])('the command "%s"', async (words) => {
  const ended = await escrow(words === '' ? [] : words.split(' '))
  expect(ended.exitCode).toBe(2)
  expect(ended.text).toMatch(/Usage: escrow|unknown command/)
})

test.for(['0', '1', '254'])('a threshold of %s', (threshold) =>
  expectWrong(`vault deal @/none --custodian @ --threshold=${threshold}`, /expected a whole number from 2 to 253/),
)

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
])('%s: files that are not there', async (words) => {
  await expectWrong(words, /there is no such file or folder|KEY_MISSING/)
})

test.for(['agreement sign @/text --as @', 'vault health --agreement @/text', 'vault deal @/none --threshold 3 --custodian @/text'])(
  '%s: a file that is something else',
  (words) => expectWrong(words, /\[(?:FORMAT_INVALID|KEY_MISSING)\]/),
)

test('a home that cannot be made is not in the way of the next try', async () => {
  const [home, config] = [join(folder, 'second'), join(folder, 'bad.yaml')]
  writeFileSync(config, 'no-such-key: 1\n')
  for (const [words, code] of [
    [[], 'ARGUMENT_INVALID'],
    [['--config', config], 'CONFIG_INVALID'],
  ] as const) {
    const ended = await escrow(['--home', home, 'init', ...words])
    expect([ended.exitCode, ended.text]).toEqual([2, expect.stringContaining(code)])
    expect(existsSync(home)).toBe(false)
  }
})
