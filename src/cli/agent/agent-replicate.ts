import { SystemEntropy } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { makeFolders } from '../../core/make-folders.js'
import { FsArchiveTarget } from '../../store/fs-archive-target.js'
import { ReplicateArchive } from '../../verify/replicate-archive.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { fileFault } from '../files.js'
import { formatBytes, formatCount } from '../terminal.js'

/**
 * Copy the published archive into a folder.
 *
 * @throws EscrowError `FILE_*` when nothing can be written there; `NOT_FOUND`; `OBJECT_*`, `STORE_*` when no replica gives an object
 */
export async function replicate(
  context: CommandContext,
  options: { readonly to: string; readonly agreement?: string },
): Promise<CommandResult> {
  return withService(context, async (app) => {
    await ownFolder(options.to)
    // What waits for its receipt would be an orphan in the copy.
    await publishLog(app, context.signal)
    const target = new FsArchiveTarget(options.to, new SystemEntropy())
    const onObject = ({ objects, bytes }: { readonly objects: number; readonly bytes: number }) =>
      context.progress({ phase: 'copying', done: objects, unit: 'objects', bytes })
    const agreement = options.agreement ?? null
    const done = await app.get(ReplicateArchive).run({ target, agreement, onObject }, context.signal)
    const { objects, bytes, held, logSize } = done
    const faults = done.faults.map(({ key, fault }) => ({
      key,
      replica: fault.replica,
      code: fault.error.code,
      message: fault.error.message,
    }))
    const lines = columns([
      ['copied', `${formatCount(objects)} objects with ${formatBytes(bytes)}, each verified`],
      ['there already', formatCount(held)],
      ['log', `${formatCount(logSize)} leaves`],
      ...faults.map(({ key, replica, message }): [string, string] => ['passed over', `replica ${replica}: ${key}: ${message}`]),
    ])
    return { json: { to: options.to, objects, bytes, held, logSize, faults }, lines: [`the archive is in ${options.to}`, ...lines] }
  })
}

/** The copy's place is a person's, not a store's: what is wrong with it is said as of any other path. */
async function ownFolder(path: string): Promise<void> {
  await makeFolders(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileFault(path, error)
    throw new EscrowError('FILE_EXISTS', `${path}: expected a folder, or nothing, got a file`, { cause: error })
  })
}
