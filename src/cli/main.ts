#!/usr/bin/env node
import { runEscrow } from './program.js'
import { terminalOf } from './terminal.js'

const stop = new AbortController()
// A second interrupt ends the program at once: what it leaves is swept by the next start.
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new DOMException(`interrupted by ${name}`, 'AbortError')))
process.exitCode = await runEscrow(process.argv.slice(2), terminalOf(process.stdout, process.stderr), stop.signal)
