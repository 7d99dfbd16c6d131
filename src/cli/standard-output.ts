import { fileFault } from './files.js'
import { printError } from './program.js'
import type { Terminal } from './terminal.js'

/**
 * Keep a run alive when nobody takes what it prints; the runtime would end it with a stack trace in the middle of its work. A reader
 * that has gone (`| head -1`) changes nothing: the exit code stays that of the work. Where lines are lost (a full disk), that is said.
 *
 * @param json - whether it is said in JSON.
 * @returns the exit code to end with, from that of the work: 2 when lines were lost after work that was done.
 */
export function watchOutput(
  streams: { readonly out: NodeJS.WritableStream; readonly err: NodeJS.WritableStream },
  terminal: Terminal,
  json: boolean,
): (exitCode: number) => number {
  let lost = false
  streams.out.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || lost) return
    lost = true
    printError(terminal, json, fileFault('standard output', error))
  })
  // There is no place left where one could say it.
  streams.err.on('error', () => undefined)
  return (exitCode) => (lost && exitCode === 0 ? 2 : exitCode)
}
