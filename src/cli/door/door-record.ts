import { signedDocumentBytesMax } from '../../core/limits.js'
import type { CommandContext, CommandResult } from '../command.js'
import { readNamedFile } from '../files.js'
import { withDoor } from './open-door.js'

/** Record explanations of findings, in the order given. @throws EscrowError as `RecordExplanation.run`, naming the first that is refused */
export async function record(context: CommandContext, _options: unknown, ...files: string[]): Promise<CommandResult> {
  const documents = await Promise.all(files.map((file) => readNamedFile(file, signedDocumentBytesMax)))
  return withDoor(context, async (door) => {
    const explained = await door.explanations(documents)
    const lines = explained.map(({ source, sequence, settled }) => {
      return `deposit ${sequence} of ${source}: ${settled ? 'every blocking finding is explained' : 'recorded; blocking findings are left'}`
    })
    return { json: { explained }, lines }
  })
}
