#!/usr/bin/env node
import { runEscrow } from './program.js'
import { watchOutput } from './standard-output.js'
import { terminalOf } from './terminal.js'

const stop = new AbortController()
// A second interrupt ends the program at once: what it leaves is swept by the next start.
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new DOMException(`interrupted by ${name}`, 'AbortError')))
const argv = process.argv.slice(2)
const terminal = terminalOf(process.stdout, process.stderr)
const endsWith = watchOutput({ out: process.stdout, err: process.stderr }, terminal, argv.includes('--json'))
// Whether a line was lost is known only after it was written.
process.on('exit', (exitCode) => {
  process.exitCode = endsWith(exitCode)
})
process.exitCode = await runEscrow(argv, terminal, stop.signal)
