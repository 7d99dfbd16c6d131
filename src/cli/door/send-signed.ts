import { signedDocumentBytesMax } from '../../core/limits.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { readNamedFile } from '../files.js'
import { sendStatement } from '../service/http-door.js'
import { linesOfOutcomes } from './outcome-lines.js'
import { requireService } from './open-door.js'

/**
 * Send the statement that a command has just signed, and add what came of it to what the command says. The file stays: it is the party's own
 * copy, and what it sends again if the answer is lost.
 *
 * @throws EscrowError with the code of the refusal
 */
export async function sendSigned(context: CommandContext, signed: CommandResult, file: string): Promise<CommandResult> {
  const sent = await sendStatement(requireService(context), context.signal, {
    bytes: await readNamedFile(file, signedDocumentBytesMax),
    file,
  })
  const { outcomes, explained } = sent
  const settled =
    explained === null ? [] : columns([['findings', explained.settled ? 'every blocking one is explained' : 'blocking ones are left']])
  return {
    json: { ...(signed.json as object), sent: { outcomes, explained } },
    lines: [...signed.lines, ...linesOfOutcomes(outcomes), ...settled],
    ...(signed.exitCode === undefined ? {} : { exitCode: signed.exitCode }),
  }
}
