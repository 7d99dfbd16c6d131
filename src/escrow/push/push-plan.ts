/**
 * Pure: what is shown to a client that is about to push, and what its commands come to. See decision 0009.
 *
 * Beside the refs of the newest deposit one more is shown, the marker: nobody has it, so `git push --mirror` asks to delete it, every time. This
 * tells a push of everything from a push of some refs, shows that a repository was looked at although nothing in it is new, and its id names
 * what was shown. When a full deposit is due only the marker is shown, and git sends everything.
 */
import { createHash } from 'node:crypto'
import { EscrowError, type ErrorCode } from '../../core/errors.js'
import type { Inventory, InventoryRef } from '../../format/manifest.js'
import type { ObjectFormat, RefListing, RemoteHead, RemoteRef } from '../../git/git-remote.js'
import type { PushCommand, PushRequest } from '../../git/receive-pack.js'
import { checkRefNamesTogether, compareRefNames } from '../../git/ref-name.js'

/** What the archive holds, as far as a push is concerned. */
export interface PushBasis {
  readonly objectFormat: ObjectFormat
  /** Of the newest deposit, by name; empty before the first; null when nobody but the vault's holders can read them any more. */
  readonly refs: readonly InventoryRef[] | null
  readonly head: Inventory['head']
  /** Of the newest deposit; null before the first. */
  readonly manifestDigest: string | null
  /** Why the next deposit must be a full one; null when an incremental will do. */
  readonly fullReason: string | null
  /** Files were attached since, or LFS objects sent that the newest deposit lacks: they are a reason for a deposit although nothing is new in the repository. */
  readonly attachmentsWait: boolean
}

/** What a push comes to. `leansOn` is `nothing` when the client was shown no refs. */
export type PushPlan =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'deposit'; readonly listing: RefListing; readonly leansOn: 'archive' | 'nothing'; readonly hasPack: boolean }

/** The ref that a mirror asks to delete. */
export const markerName = 'refs/escrow/mirror'
/** `git push -o head=refs/heads/trunk` says what a checkout begins with; nothing else in a push does. */
const headOption = 'head='
/** `git push -o statement=<base64url>`: the depositor's signed word on what it pushes (docs/PUSHING.md). */
const statementOption = 'statement='
const usualHeads = ['refs/heads/main', 'refs/heads/master']

/** Refs to show, in order. */
export function refsToShow(basis: PushBasis): readonly { readonly name: string; readonly oid: string }[] {
  const shows = basis.fullReason === null ? 'refs' : 'nothing'
  const marker = { name: markerName, oid: markerOid(basis, shows) }
  return shows === 'nothing' ? [marker] : [...(basis.refs ?? []), marker].sort((left, right) => compareRefNames(left.name, right.name))
}

/**
 * What the commands of a push come to, if they fit what the archive holds now.
 *
 * @param push - with at least one command; attacker-controlled.
 * @throws EscrowError `PUSH_REFUSED`, also for a push option that is none of ours, `PUSH_STALE`, `REF_NAME_INVALID`; then nothing of it is taken. Where one ref is to
 *   blame, `details.ref` is its name.
 */
export function planPush(push: PushRequest, basis: PushBasis): PushPlan {
  if (push.shallow) throw new EscrowError('PUSH_REFUSED', 'expected a complete repository: run `git fetch --unshallow` and push again')
  requireNames(push.commands)
  requireOptions(push.options)
  const marker = push.commands.find((command) => command.name === markerName)
  const commands = push.commands.filter((command) => command !== marker)
  const leansOn = shownTo(commands, marker, basis)
  const asked = headAsked(push.options)
  const asksNothing = commands.length === 0 && (asked === undefined || (basis.head.kind === 'branch' && basis.head.ref === asked))
  if (leansOn === 'archive' && asksNothing && !basis.attachmentsWait) return { kind: 'unchanged' }
  const refs = leansOn === 'nothing' ? created(commands) : applied(commands, basis.refs ?? [])
  checkRefNamesTogether(refs.map((ref) => ref.name))
  const listing = { objectFormat: basis.objectFormat, head: headOf(refs, basis.head, push.options), refs, pushed: true as const }
  return { kind: 'deposit', listing, leansOn, hasPack: commands.some((command) => command.to !== null) }
}

/** The signed deposit statement that came with a push; null when none did. @throws EscrowError `PUSH_REFUSED` when it is not in base64url, or comes twice */
export function statementOf(push: Pick<PushRequest, 'options'>): Uint8Array | null {
  const given = push.options.filter((option) => option.startsWith(statementOption)).map((option) => option.slice(statementOption.length))
  const [text, ...more] = given
  if (text === undefined) return null
  if (more.length > 0 || !/^[A-Za-z0-9_-]+$/.test(text)) throw new EscrowError('PUSH_REFUSED', 'expected one -o statement= in base64url')
  return Buffer.from(text, 'base64url')
}

function requireNames(commands: readonly PushCommand[]): void {
  const bad = commands.find((command) => command.problem !== null)
  if (bad !== undefined) throw ofRef('REF_NAME_INVALID', bad, `expected a ref name in UTF-8 that git allows: it ${bad.problem ?? ''}`)
  const taken = commands.find((command) => command.name.startsWith('refs/escrow/') && (command.name !== markerName || command.to !== null))
  if (taken !== undefined) throw ofRef('PUSH_REFUSED', taken, 'refs/escrow/ is reserved; name it otherwise, or leave it out')
  checkRefNamesTogether(commands.filter((command) => command.to !== null).map((command) => command.name))
  const names = new Set(commands.map((command) => command.name))
  if (names.size !== commands.length) throw new EscrowError('PUSH_REFUSED', 'expected every ref once in a push')
}

/** What is misspelt would be passed by: a statement that nobody compares, a HEAD that nobody sets. */
function requireOptions(options: readonly string[]): void {
  const known = [headOption, statementOption]
  const strange = options.find((option) => !known.some((name) => option.startsWith(name)))
  if (strange !== undefined)
    throw new EscrowError(
      'PUSH_REFUSED',
      `expected no push options but -o head= and -o statement=, got ${JSON.stringify(strange.slice(0, 100))}`,
    )
  if (options.filter((option) => option.startsWith(headOption)).length > 1) throw new EscrowError('PUSH_REFUSED', 'expected one -o head=')
}

/** Whether the client saw the refs of the newest deposit, or nothing. */
function shownTo(commands: readonly PushCommand[], marker: PushCommand | undefined, basis: PushBasis): 'archive' | 'nothing' {
  if (marker?.from === markerOid(basis, 'nothing')) return 'nothing'
  if (marker !== undefined && (marker.from !== markerOid(basis, 'refs') || basis.fullReason !== null)) {
    throw new EscrowError('PUSH_STALE', 'the deposits of this source, or the rules for the next one, changed since this push began')
  }
  if (basis.fullReason === null) {
    const now = new Map((basis.refs ?? []).map((ref) => [ref.name, ref.oid]))
    const moved = commands.find((command) => command.from !== (now.get(command.name) ?? null))
    if (moved !== undefined)
      throw ofRef('PUSH_STALE', moved, `expected ${moved.from ?? 'no ref'}, the newest deposit has ${oidOf(now, moved)}`)
    return 'archive'
  }
  // Some refs were pushed, and all are needed.
  if (coversAll(commands, basis.refs)) return 'nothing'
  throw new EscrowError('PUSH_REFUSED', `${basis.fullReason}, so everything is needed: git push --mirror`)
}

/** A push of some refs is one of everything when it names all that there were. */
function coversAll(commands: readonly PushCommand[], before: readonly InventoryRef[] | null): boolean {
  if (before === null) return false
  const named = new Set(commands.filter((command) => command.from === null && command.to !== null).map((command) => command.name))
  return named.size === commands.length && before.every((ref) => named.has(ref.name))
}

function created(commands: readonly PushCommand[]): readonly RemoteRef[] {
  return sorted(commands.flatMap(({ name, to }) => (to === null ? [] : [{ name, oid: to }])))
}

/** A ref that nobody touched is what it was; symbolic refs are no more than their ids to a client that pushes. */
function applied(commands: readonly PushCommand[], before: readonly InventoryRef[]): readonly RemoteRef[] {
  const refs = new Map<string, RemoteRef>()
  for (const { name, oid, peeled } of before) refs.set(name, { name, oid, ...(peeled === undefined ? {} : { peeled }) })
  for (const { name, to } of commands) {
    if (to === null) refs.delete(name)
    else refs.set(name, { name, oid: to })
  }
  return sorted([...refs.values()])
}

const sorted = (refs: readonly RemoteRef[]): readonly RemoteRef[] => [...refs].sort((left, right) => compareRefNames(left.name, right.name))

const headAsked = (options: readonly string[]): string | undefined =>
  options.find((option) => option.startsWith(headOption))?.slice(headOption.length)

/** What a push does not say: the option, or as before, or the usual names, or the first branch. */
function headOf(refs: readonly RemoteRef[], before: Inventory['head'], options: readonly string[]): RemoteHead {
  const branches = new Map(refs.filter((ref) => ref.name.startsWith('refs/heads/')).map((ref) => [ref.name, ref.oid]))
  const asked = headAsked(options)
  if (asked !== undefined && !branches.has(asked)) {
    throw new EscrowError('PUSH_REFUSED', 'expected -o head= to name a branch of this repository, as refs/heads/main')
  }
  const wishes = [asked, before.kind === 'branch' ? before.ref : undefined, ...usualHeads, [...branches.keys()][0]]
  const ref = wishes.find((wish) => wish !== undefined && branches.has(wish))
  return ref === undefined ? { kind: 'none' } : { kind: 'branch', ref, oid: branches.get(ref) ?? null }
}

/** An id that no object has, and that says what was shown. */
function markerOid({ objectFormat, manifestDigest }: PushBasis, shows: 'refs' | 'nothing'): string {
  return createHash(objectFormat)
    .update(`escrow push marker ${manifestDigest ?? 'none'} ${shows}\n`)
    .digest('hex')
}

function oidOf(refs: ReadonlyMap<string, string>, command: PushCommand): string {
  return refs.get(command.name) ?? 'none'
}

function ofRef(code: ErrorCode, command: PushCommand, message: string): EscrowError {
  return new EscrowError(code, message, { details: { ref: command.wireName } })
}
