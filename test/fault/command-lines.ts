// Every command of `escrow`, taken from its own tree, so that none can be forgotten; and command lines that are right but for one thing.
import type { Argument, Command, Option } from 'commander'
import { buildProgram } from '../../src/cli/program.js'
import { formWordOf } from '../../src/cli/option-forms.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'
import { formatNoteKey, noteKey, signatureType } from '../../src/format/note.js'
import { signingKeyFromSeed } from '../../src/crypto/signature.js'

/** One command that can be called, with a word that is good for each of its options and arguments. */
export interface CommandLine {
  /** As one types it: `vault deal`. */
  readonly name: string
  readonly options: readonly Option[]
  readonly arguments: readonly Argument[]
}

/** Every command that does something itself. */
export function allCommands(): readonly CommandLine[] {
  const terminal = { out: () => undefined, err: () => undefined, redraw: () => undefined, interactive: false }
  return leaves(buildProgram(terminal, new AbortController().signal, { exitCode: 0 }), [])
}

function leaves(command: Command, path: readonly string[]): readonly CommandLine[] {
  if (command.commands.length > 0) return command.commands.flatMap((below) => leaves(below, [...path, below.name()]))
  return [{ name: path.join(' '), options: command.options, arguments: command.registeredArguments }]
}

const letters = 'a'.repeat(20)
const logKey = formatNoteKey(
  noteKey('log.example/1', signatureType.ed25519, signingKeyFromSeed(new SeededEntropy('a log').bytes(32)).publicKey),
)

/** Good words by form; `@` stands for a folder. The rest are paths, and lead to nothing. */
const goodWords: ReadonlyMap<string, string> = new Map([
  ['id', `agr_${letters}`],
  ['request', `req_${letters}`],
  ['request or order', `req_${letters}`],
  ['token', `tok_${letters}`],
  ['order', '0a'.repeat(32)],
  ['name', 'product'],
  ['file name', 'sbom.json'],
  ['party', 'partner'],
  ['name[@sequence]', 'product@1'],
  ['code', 'CH'],
  ['finding', 'REFS_REWRITTEN'],
  ['oid', '0a'.repeat(20)],
  ['instant', '2026-11-22T10:00:00.000Z'],
  ['moment', '2026-11-22'],
  ['key name', 'witness.example/1'],
  ['key', logKey],
  ['title=file', 'title=@/nothing'],
  ['source=file', 'product=@/nothing'],
  ['words', 'in words'],
  ['text', 'in words'],
  ['address', '127.0.0.1'],
])

/** A word that is good for an option's value or an argument; null for an option that takes none. */
export function goodWord(part: Option | Argument): string | null {
  const form = 'flags' in part ? formWordOf(part.flags) : part.name()
  if (form === null) return null
  if (part.argChoices !== undefined) return part.argChoices[0] ?? ''
  if ('flags' in part && isNumber(part)) return ['0', '1', '2', '3'].find((text) => takes(part, text)) ?? '1'
  return goodWords.get(form) ?? '@/nothing'
}

/** Whether an option takes whole numbers only. */
export function isNumber(option: Option): boolean {
  return option.argChoices === undefined && !takes(option, 'three') && takes(option, '3')
}

function takes(option: Option, text: string): boolean {
  try {
    option.parseArg?.(text, undefined)
    return true
  } catch {
    return false
  }
}

/**
 * A command line with all that a command demands.
 *
 * @param but.without - what is left out.
 * @param but.instead - a word in the place of the good one; what it is for is there even when it is not demanded.
 */
export function lineOf(
  command: CommandLine,
  but: { readonly without?: Option | Argument; readonly instead?: readonly [Option | Argument, string] } = {},
): readonly string[] {
  const [replaced, word] = but.instead ?? []
  const wordFor = (part: Option | Argument) => (part === replaced ? (word ?? '') : goodWord(part))
  const options = command.options.filter((option) => (option.mandatory && option !== but.without) || option === replaced)
  // What begins with a dash is a value only when it is joined to its option.
  const optionWords = options.map((option) => (goodWord(option) === null ? `${option.long}` : `${option.long}=${wordFor(option)}`))
  const given = command.arguments.filter((argument) => (argument.required && argument !== but.without) || argument === replaced)
  return [...command.name.split(' '), ...optionWords, '--', ...given.map((argument) => `${wordFor(argument)}`)]
}
