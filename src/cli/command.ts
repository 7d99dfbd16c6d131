import { InvalidArgumentError } from 'commander'
import { EscrowError } from '../core/errors.js'
import type { ExitCode } from './exit-code.js'
import { progressLine, type Progress, type Terminal } from './terminal.js'

/** Runs one command line and gives its exit code; never throws. */
export type RunCommandLine = (argv: readonly string[], terminal: Terminal, signal: AbortSignal) => Promise<ExitCode>

/** What every command gets beside its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly json: boolean
  readonly home: string
  /** The service that the command line names with --url; null: the home folder. */
  readonly service: { readonly url: string; readonly tokenFile: string } | null
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
  /** Run another command line in this process: for walks like the demo. */
  readonly run: RunCommandLine
}

/** What a command says when it is done. */
export interface CommandResult {
  /** What `--json` prints: stable keys, digests in hex, sizes in bytes. */
  readonly json: unknown
  /** What a person reads. */
  readonly lines: readonly string[]
  /** 0 when left out; 3 when something looked at is not as it must be. */
  readonly exitCode?: ExitCode
}

/** A command's function. */
export type RunCommand<Options> = (context: CommandContext, options: Options, ...args: string[]) => Promise<CommandResult>

/** Wraps a command's function for commander. It is loaded alone and when it is called: `--help` must not wait for Nest and the database. */
export type Action = <Options>(load: () => Promise<RunCommand<Options>>) => (...given: unknown[]) => Promise<void>

/** The context of one run. */
export function commandContext(options: {
  readonly terminal: Terminal
  readonly json: boolean
  readonly home: string
  /** The home folder when left out. */
  readonly service?: CommandContext['service']
  readonly signal: AbortSignal
  readonly run: RunCommandLine
}): CommandContext {
  return { service: null, ...options, progress: options.json ? () => undefined : progressLine(options.terminal) }
}

/** Print a result the way it was asked for. */
export function printResult(context: CommandContext, result: CommandResult): void {
  if (context.json) context.terminal.out(JSON.stringify(result.json, undefined, 2))
  else for (const line of result.lines) context.terminal.out(line)
}

/** Lines of two columns, the first as wide as its widest cell. */
export function columns(rows: readonly (readonly [string, string])[], indent = '  '): readonly string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `${indent}${left.padEnd(width)}  ${right}`.trimEnd())
}

/**
 * A commander parser for whole numbers in a range.
 *
 * @throws InvalidArgumentError, which commander turns into words and exit code 2.
 */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d{1,15}$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
    return value
  }
}

/** Collect a repeated option into a list. */
export function collect(value: string, list: readonly string[] = []): readonly string[] {
  return [...list, value]
}

/** @throws EscrowError `ARGUMENT_INVALID` when an option that this use needs was left out. */
export function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new EscrowError('ARGUMENT_INVALID', `expected ${name}`)
  return value
}
