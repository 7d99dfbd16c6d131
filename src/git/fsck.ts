import { EscrowError, isEscrowError } from '../core/errors.js'
import { demotableFsckIds } from './fsck-ids.js'
import { FsckMessages, LineCutter, type FsckReport } from './fsck-message.js'
import { startGit } from './git-command.js'

/** Bits of fsck's exit code that say an object is unsound; the others are about links and refs (builtin/fsck.c). */
const unsoundObject = 1 | 4
const exitBitsMax = 31

/** These look for a blob beside its tree; in an incremental pack it is usually one that the archive has already. */
const aboutOtherPacks: ReadonlySet<string> = new Set(['gitmodulesMissing', 'gitattributesMissing'])

/**
 * What `git fsck` says about each object of a scratch repository, for packs whose links lead out of it: index-pack's strict modes die
 * on those. Links are not looked at here, because nothing refers to the objects; `src/deposit/check-pack.ts` follows them.
 *
 * @returns messages by id; empty when all objects are well-formed.
 * @throws EscrowError `PACK_CORRUPT` if an object cannot be parsed, as `index-pack --strict` refuses it in a full pack; `GIT_FAILED` when
 *   git ends in another way than with messages; `GIT_MISSING`
 */
export async function fsckObjects(
  gitDir: string,
  options: { readonly gitProgram?: string } = {},
  signal?: AbortSignal,
): Promise<FsckReport> {
  const messages = new FsckMessages()
  const lines = new LineCutter((line) => void messages.add(line))
  const ids = await demotableFsckIds({ program: options.gitProgram })
  const config = ids.map((id) => `fsck.${id}=${aboutOtherPacks.has(id) ? 'ignore' : 'warn'}`)
  const command = ['fsck', '--full', '--no-dangling', '--no-reflogs', '--no-progress']
  const run = startGit(command, { gitDir, config, program: options.gitProgram, onStderr: (chunk) => lines.add(chunk) }, signal)
  run.stdin.end()
  run.stdout.resume()
  await run.ended.catch((error: unknown) => {
    const fault = unsoundness(error)
    if (fault !== null) throw fault
  })
  lines.end()
  return messages.report
}

/** @returns null if the exit code only says that links lead out of the repository. */
function unsoundness(error: unknown): unknown {
  if (!isEscrowError(error, 'GIT_FAILED')) return error
  const exitCode = Number(error.details['exitCode'] ?? -1)
  if (exitCode < 1 || exitCode > exitBitsMax) return error
  return (exitCode & unsoundObject) === 0 ? null : new EscrowError('PACK_CORRUPT', error.message, { cause: error })
}
