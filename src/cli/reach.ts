import type { Command } from 'commander'
import { EscrowError } from '../core/errors.js'
import type { CommandContext } from './command.js'

/** `door`: works on a home folder or with --url on a service; `sends`: signs a file, and with --url sends it; `service`: with --url alone. */
export type Reach = 'door' | 'sends' | 'service'

const reaches = new WeakMap<Command, Reach>()

/** What --help of a command says about a service over the network. */
const reachWords: Readonly<Record<Reach, string>> = {
  door: 'With --url and --token-file it asks a service over the network instead of the home folder.',
  sends: 'With --url and --token-file what it signs is sent to the service, too.',
  service: 'It works with a service over the network alone: give --url and --token-file.',
}

/** Note how a command uses --url, and say so in its help; those that note nothing refuse it. @returns the command. */
export function reaching(command: Command, reach: Reach): Command {
  reaches.set(command, reach)
  return command.addHelpText('after', `\n${reachWords[reach]}`)
}

/** Whether a command, having signed a file, sends it. */
export function sendsWhatItSigned(command: Command): boolean {
  return reaches.get(command) === 'sends'
}

/**
 * The service that a command line names.
 *
 * @returns null for the home folder.
 * @throws EscrowError `ARGUMENT_INVALID` when the command has no use for it, or one of the two options is missing
 */
export function serviceOf(command: Command, given: { readonly url?: string; readonly tokenFile?: string }): CommandContext['service'] {
  const { url, tokenFile } = given
  const reach = reaches.get(command)
  if (url === undefined && tokenFile === undefined) {
    if (reach !== 'service') return null
    throw new EscrowError('ARGUMENT_INVALID', 'expected --url and --token-file: this command works with a service over the network')
  }
  if (reach === undefined) {
    throw new EscrowError(
      'ARGUMENT_INVALID',
      `${command.name()} works on a home folder or on your own files: leave --url and --token-file out`,
    )
  }
  if (url === undefined || tokenFile === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected --url and --token-file together')
  return { url, tokenFile }
}
