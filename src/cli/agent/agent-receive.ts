import { join } from 'node:path'
import { ReceiveDeposit } from '../../escrow/sealed/receive-deposit.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { writeNamedFile } from '../files.js'
import { formatBytes } from '../terminal.js'
import { openNamedArchive } from '../open-archive.js'

/** The countersigned manifest, written back into the folder that was received: what the depositor's next deposit rests on. */
export const acceptedFileName = 'accepted.json'

/** Receive a sealed deposit. @throws EscrowError as `ReceiveDeposit.run` */
export async function receive(context: CommandContext, _options: unknown, folder: string): Promise<CommandResult> {
  return withService(context, async (app) => {
    const onBytes = (bytes: number, total: number) => context.progress({ phase: 'receiving', done: bytes, total, unit: 'bytes' })
    const { offer, isNew, accepted, late } = await app.get(ReceiveDeposit).run(await openNamedArchive(folder), onBytes, context.signal)
    await publishLog(app, context.signal)
    const acceptedFile = join(folder, acceptedFileName)
    await writeNamedFile(acceptedFile, accepted)
    const { place, digest, manifest } = offer
    const lines = columns([
      ['deposit', `${place.sequence}, ${place.kind}, of ${place.source}${isNew ? '' : ', which was received before'}`],
      ['sealed', `${formatBytes(manifest.envelope.sizeBytes)} by the depositor; we cannot open it`],
      ['manifest', `${digest}, countersigned`],
      ['give back', `${acceptedFile} to the depositor`],
      ...late.map(({ replica, error }): [string, string] => ['caught up', `replica ${replica} after: ${error.message}`]),
    ])
    const { source, sequence, kind } = place
    return { json: { source, sequence, kind, manifest: digest, isNew, accepted: acceptedFile }, lines }
  })
}
