import { demotableFsckIds } from './fsck-ids.js'
import { FsckMessages, LineCutter, type FsckReport } from './fsck-message.js'
import { startGit } from './git-command.js'
import { isEscrowError } from '../core/errors.js'

/**
 * What `git fsck` says about each object of a scratch repository, for packs whose links lead out of it: index-pack's strict modes die
 * on those. Links are not looked at here; `src/deposit/check-pack.ts` follows them.
 *
 * @returns messages by id; empty when all objects are well-formed.
 * @throws EscrowError `GIT_FAILED` when git ends in another way than with messages; `GIT_MISSING`
 */
export async function fsckObjects(
  gitDir: string,
  options: { readonly gitProgram?: string } = {},
  signal?: AbortSignal,
): Promise<FsckReport> {
  const messages = new FsckMessages()
  const lines = new LineCutter((line) => void messages.add(line))
  const ids = await demotableFsckIds(options.gitProgram === undefined ? {} : { program: options.gitProgram })
  const config = ids.map((id) => `fsck.${id}=warn`)
  const command = ['fsck', '--full', '--no-dangling', '--no-reflogs', '--no-progress']
  const run = startGit(command, { gitDir, config, program: options.gitProgram, onStderr: (chunk) => lines.add(chunk) }, signal)
  run.stdin.end()
  run.stdout.resume()
  try {
    await run.ended
  } catch (error) {
    // Bits 1 to 4 say that something was found: messages, which we have, and links to objects that only the archive holds.
    const exitCode = isEscrowError(error, 'GIT_FAILED') ? Number(error.details['exitCode'] ?? -1) : -1
    if (exitCode < 1 || exitCode > 7) throw error
  }
  lines.end()
  return messages.report
}
