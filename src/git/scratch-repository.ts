import type { ObjectFormat } from './git-remote.js'
import { runGit, type GitOptions } from './git-command.js'

/**
 * Make an empty bare repository.
 *
 * @param gitDir - absolute path of a folder that is absent or empty; the caller removes it.
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`, `SCRATCH_FULL`
 */
export async function initRepository(gitDir: string, objectFormat: ObjectFormat, options: GitOptions = {}): Promise<void> {
  const command = ['init', '--quiet', '--bare', '--template=', '--initial-branch=main', `--object-format=${objectFormat}`, '--', gitDir]
  await runGit(command, options)
}
