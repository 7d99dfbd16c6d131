import { assert, EscrowError } from '../core/errors.js'
import { runGit, type GitOptions } from './git-command.js'
import type { RemoteHead } from './git-remote.js'
import { statObjects, type ObjectHead } from './cat-file.js'
import { checkRefName } from './ref-name.js'

/**
 * What turns bundles back into a repository, and what compares it with a manifest. All steps can be repeated.
 *
 * Order: `cloneBundle` for the full deposit, `fetchBundle` for each that follows, `setSymbolicRefs`, `setHead`, then compare.
 */

/** A ref of a repository on this machine, as an inventory describes it. */
export interface LocalRef {
  readonly name: string
  readonly oid: string
  readonly type: ObjectHead['type']
  /** For an annotated tag: what it finally points to. */
  readonly peeled?: string
  readonly peeledType?: ObjectHead['type']
  readonly symref?: string
}

/**
 * Make a new repository out of a bundle that has no prerequisites; afterwards it has the refs of the bundle and knows no remote.
 *
 * @param gitDir - absolute path of a folder that is absent or empty.
 * @throws EscrowError `GIT_FAILED` with the words of git, `SCRATCH_FULL`, `GIT_MISSING`
 *
 * Not the same as `initRepository` and `fetchBundle`: a clone writes its refs into one file, a fetch each into its own.
 */
export async function cloneBundle(gitDir: string, bundlePath: string, options: GitOptions = {}, signal?: AbortSignal): Promise<void> {
  await runGit(['clone', '--quiet', '--mirror', '--template=', '--', bundlePath, gitDir], options, '', signal)
  await runGit(['config', '--remove-section', 'remote.origin'], { ...options, gitDir }, '', signal)
}

/**
 * Make a repository have exactly the refs of a bundle; refs that the bundle does not have are deleted.
 *
 * @param bundlePath - absolute; the prerequisites of the bundle must be in the repository.
 * @throws EscrowError `GIT_FAILED` with the words of git, `SCRATCH_FULL`, `GIT_MISSING`
 */
export async function fetchBundle(gitDir: string, bundlePath: string, options: GitOptions = {}, signal?: AbortSignal): Promise<void> {
  // A fetch does not take in the pack when every ref is there already, but a detached HEAD and the next incremental may rest on it.
  await runGit(['bundle', 'unbundle', bundlePath], { ...options, gitDir }, '', signal)
  const command = ['fetch', '--quiet', '--prune', '--no-tags', '--no-auto-maintenance', '--no-recurse-submodules', '--update-head-ok']
  await runGit([...command, '--', bundlePath, '+refs/*:refs/*'], { ...options, gitDir }, '', signal)
}

/**
 * Create or move refs, all or none.
 *
 * @throws EscrowError `REF_NAME_INVALID`, `GIT_FAILED`
 */
export async function updateRefs(
  gitDir: string,
  refs: readonly { readonly name: string; readonly oid: string }[],
  options: GitOptions = {},
): Promise<void> {
  const commands = refs.map(({ name, oid }) => `update ${checkRefName(name)}\0${checkedId(oid)}\0\0`)
  await runGit(['update-ref', '--no-deref', '--stdin', '-z'], { ...options, gitDir }, commands.join(''))
}

/**
 * Turn refs into symbolic ones. Last of all: a later fetch would write through them.
 *
 * @throws EscrowError `REF_NAME_INVALID`, `GIT_FAILED`
 */
export async function setSymbolicRefs(
  gitDir: string,
  refs: readonly { readonly name: string; readonly symref: string }[],
  options: GitOptions = {},
): Promise<void> {
  for (const { name, symref } of refs)
    await runGit(['symbolic-ref', '--', checkRefName(name), checkRefName(symref)], { ...options, gitDir })
}

/**
 * Point HEAD to a branch (born or not) or to a commit; `none` leaves it as it is.
 *
 * @throws EscrowError `REF_NAME_INVALID`, `GIT_FAILED`
 */
export async function setHead(gitDir: string, head: RemoteHead, options: GitOptions = {}): Promise<void> {
  if (head.kind === 'branch') await runGit(['symbolic-ref', '--', 'HEAD', checkRefName(head.ref)], { ...options, gitDir })
  if (head.kind === 'detached') await runGit(['update-ref', '--no-deref', 'HEAD', checkedId(head.oid)], { ...options, gitDir })
}

/**
 * HEAD of a repository on this machine.
 *
 * @throws EscrowError `GIT_FAILED`
 */
export async function readHead(gitDir: string, options: GitOptions = {}): Promise<RemoteHead> {
  const tip = (
    await runGit(['rev-parse', '--verify', '--quiet', '--end-of-options', 'HEAD'], { ...options, gitDir }).catch(exitedWith(1))
  ).trim()
  const ref = (await runGit(['symbolic-ref', '--quiet', 'HEAD'], { ...options, gitDir }).catch(exitedWith(1))).trim()
  if (ref !== '') return { kind: 'branch', ref, oid: tip === '' ? null : tip }
  return tip === '' ? { kind: 'none' } : { kind: 'detached', oid: tip }
}

/**
 * All refs, sorted by name in byte order, with types; tags peeled to the end.
 *
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`, `PACK_INCOMPLETE` if a tag leads to nothing.
 */
export async function listLocalRefs(gitDir: string, options: GitOptions = {}, signal?: AbortSignal): Promise<readonly LocalRef[]> {
  const format = '--format=%(refname)%00%(objectname)%00%(objecttype)%00%(symref)'
  const listed = await runGit(['for-each-ref', format], { ...options, gitDir }, '', signal)
  const refs = listed
    .split('\n')
    .filter((line) => line !== '')
    .map(parseRef)
  if (!refs.some((ref) => ref.type === 'tag')) return refs
  const peeled = await peelTags(gitDir, options, signal)
  const heads = await statObjects(gitDir, [...new Set(peeled.values())], signal)
  return refs.map((ref) => {
    if (ref.type !== 'tag') return ref
    const target = heads.get(peeled.get(ref.name) ?? '')
    if (target === undefined) throw new EscrowError('PACK_INCOMPLETE', `expected what tag ${ref.oid} points to, got nothing`)
    return { ...ref, peeled: target.oid, peeledType: target.type }
  })
}

/**
 * Check that everything the refs reach is there.
 *
 * @throws EscrowError `GIT_FAILED` with git's words about the first missing object.
 */
export async function checkConnected(gitDir: string, options: GitOptions = {}, signal?: AbortSignal): Promise<void> {
  await runGit(['rev-list', '--objects', '--all', '--quiet'], { ...options, gitDir }, '', signal)
}

function parseRef(line: string): LocalRef {
  const [name = '', oid = '', type = '', symref = ''] = line.split('\0')
  return { name, oid, type: type as LocalRef['type'], ...(symref === '' ? {} : { symref }) }
}

/** By ref name. `for-each-ref` peels only once before git 2.45, `show-ref` always to the end. */
async function peelTags(gitDir: string, options: GitOptions, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const text = await runGit(['show-ref', '--dereference'], { ...options, gitDir }, '', signal)
  return new Map([...text.matchAll(/^([0-9a-f]+) (.+)\^\{\}$/gm)].map(([, oid = '', name = '']) => [name, oid]))
}

function exitedWith(exitCode: number): (error: unknown) => string {
  return (error) => {
    if (error instanceof EscrowError && error.details['exitCode'] === exitCode) return ''
    throw error
  }
}

function checkedId(oid: string): string {
  assert(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(oid), 'an object id is 40 or 64 lower-case hex digits')
  return oid
}
