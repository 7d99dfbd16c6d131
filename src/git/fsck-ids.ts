import { EscrowError } from '../core/errors.js'
import { runGit, type GitOptions } from './git-command.js'

/**
 * Which of fsck's messages can be made warnings, asked from the git that runs: git dies on an id that it does not know, and refuses to
 * demote the ones that mean "cannot be parsed", and both lists grow with its versions.
 */

/** Cannot be demoted in git 2.39 (fsck.h, severity FATAL). */
const fatalIds: ReadonlySet<string> = new Set(['nulinheader', 'unterminatedheader'])
/** Ignored by default; naming it would report every tag that is signed in a newer way. */
const ignoredIds: ReadonlySet<string> = new Set(['extraheaderentry', 'skiplist'])
const attemptsMax = 20

const known = new Map<string, Promise<readonly string[]>>()

/**
 * The message ids that this git knows and lets us demote; asked once for each program.
 *
 * @throws EscrowError `GIT_FAILED` if git lists none, `GIT_MISSING`
 */
export function demotableFsckIds(options: GitOptions = {}): Promise<readonly string[]> {
  const program = options.program ?? 'git'
  const asked = known.get(program) ?? ask(program)
  known.set(program, asked)
  asked.catch(() => known.delete(program))
  return asked
}

async function ask(program: string): Promise<readonly string[]> {
  const settings = await runGit(['help', '--config-for-completion'], { program })
  let ids = [...settings.matchAll(/^fsck\.([A-Za-z0-9]+)$/gm)].map(([, id = '']) => id)
  ids = ids.filter((id) => !fatalIds.has(id.toLowerCase()) && !ignoredIds.has(id.toLowerCase()))
  if (ids.length < 20) throw new EscrowError('GIT_FAILED', `expected git to list its fsck messages, got ${ids.length}`)
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const refused = await firstRefused(ids, program)
    if (refused === null) return ids
    ids = ids.filter((id) => id.toLowerCase() !== refused)
  }
  throw new EscrowError('GIT_FAILED', `expected git to demote its fsck messages, got more than ${attemptsMax} refusals`)
}

/** Let git parse the option without any pack: what it then complains about is either an id or, at last, the missing file. */
async function firstRefused(ids: readonly string[], program: string): Promise<string | null> {
  const words = await runGit(['index-pack', strictOption(ids), '/nonexistent.pack'], { program }).then(
    () => '',
    (error: unknown) => (error instanceof EscrowError && error.code === 'GIT_FAILED' ? error.message : Promise.reject(error)),
  )
  return /(?:Cannot demote|Unhandled message id:) ([a-z0-9]+)/i.exec(words)?.[1]?.toLowerCase() ?? null
}

/** The option of `git index-pack` that turns these messages into warnings. */
export function strictOption(ids: readonly string[]): string {
  return `--strict=${ids.map((id) => `${id}=warn`).join(',')}`
}
