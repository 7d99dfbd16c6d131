// One `escrow` command in a process of its own, with what it cost.
import { runEscrow } from '../../src/cli/program.js'
import { terminalOf } from '../../src/cli/terminal.js'
import { answer, childInput, startUsage, type OwnUsage } from './usage.js'

/** What this child says. */
export interface EscrowRun {
  readonly exitCode: number
  readonly own: OwnUsage
}

const { argv } = childInput<{ readonly argv: readonly string[] }>()
const usage = startUsage()
const exitCode = await runEscrow(argv, terminalOf(process.stdout, process.stderr), new AbortController().signal)
answer({ exitCode, own: usage() } satisfies EscrowRun)
process.exitCode = exitCode
