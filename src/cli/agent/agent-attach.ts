import { StageAttachment } from '../../escrow/attachment/stage-attachment.js'
import { withService } from './agent-context.js'
import type { CommandContext } from '../command.js'
import type { Attached, FileToAttach } from '../file-to-attach.js'

/** Attach files in a home folder. @throws EscrowError as `StageAttachment.run` */
export async function attachAtHome(
  context: CommandContext,
  options: { readonly agreement: string; readonly source: string },
  files: readonly FileToAttach[],
): Promise<readonly Attached[]> {
  const key = { agreementId: options.agreement, source: options.source }
  return withService(context, async (app) => {
    const attached: Attached[] = []
    for (const file of files) {
      const { entry, sealed, waitUntil } = await app.get(StageAttachment).run({ key, ...file }, context.signal)
      attached.push({ name: entry.name, sealedSha256: sealed.sha256, sealedBytes: sealed.sizeBytes, waitUntil })
    }
    return attached
  })
}
