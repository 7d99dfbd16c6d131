import { signedDocumentBytesMax } from '../core/limits.js'
import { RecordExplanation, type Explained } from '../escrow/record-explanation.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import type { CommandContext, CommandResult } from './command.js'
import { readNamedFile } from './files.js'

/** Record explanations of findings, in the order given. @throws EscrowError as `RecordExplanation.run`, naming the first that is refused */
export async function record(context: CommandContext, _options: unknown, ...files: string[]): Promise<CommandResult> {
  const documents = await Promise.all(files.map((file) => readNamedFile(file, signedDocumentBytesMax)))
  return withService(context, async (app) => {
    const explained: Explained[] = []
    for (const bytes of documents) explained.push(await app.get(RecordExplanation).run(bytes, context.signal))
    await publishLog(app, context.signal)
    const lines = explained.map(({ source, sequence, settled }) => {
      return `deposit ${sequence} of ${source}: ${settled ? 'every blocking finding is explained' : 'recorded; blocking findings are left'}`
    })
    return { json: { explained }, lines }
  })
}
