import { expect, test } from 'vitest'
import { markerName, planPush, refsToShow, type PushBasis } from '../../../src/escrow/push/push-plan.js'
import type { PushCommand, PushRequest } from '../../../src/git/receive-pack.js'

const id = (digit: string) => digit.repeat(40)
const command = (name: string, from: string | null, to: string | null): PushCommand => ({ wireName: name, name, from, to, problem: null })
const push = (commands: readonly PushCommand[], more: Partial<PushRequest> = {}): PushRequest => ({
  commands,
  capabilities: new Set(),
  options: [],
  shallow: false,
  ...more,
})
const basis: PushBasis = {
  objectFormat: 'sha1',
  refs: [
    { name: 'refs/heads/main', oid: id('a'), type: 'commit' },
    { name: 'refs/tags/v1', oid: id('b'), type: 'tag', peeled: id('a'), peeledType: 'commit' },
  ],
  head: { kind: 'branch', ref: 'refs/heads/main', oid: id('a') },
  manifestDigest: '1'.repeat(64),
  fullReason: null,
  attachmentsWait: false,
}
const due: PushBasis = { ...basis, fullReason: 'a full deposit is due' }
const markerOf = (on: PushBasis): string => refsToShow(on).find((ref) => ref.name === markerName)?.oid ?? ''
const mirror = (on: PushBasis) => command(markerName, markerOf(on), null)

test('the marker is shown beside the refs, alone when everything is wanted, and never the same for two states', () => {
  expect(refsToShow(basis).map((ref) => ref.name)).toEqual([markerName, 'refs/heads/main', 'refs/tags/v1'])
  expect(refsToShow(due).map((ref) => ref.name)).toEqual([markerName])
  const states = [basis, due, { ...basis, manifestDigest: '2'.repeat(64) }, { ...due, manifestDigest: null }]
  expect(new Set(states.map(markerOf)).size).toBe(4)
  expect(markerOf({ ...basis, objectFormat: 'sha256' })).toHaveLength(64)
})

test('a mirror with nothing new says that nothing is new', () => {
  expect(planPush(push([mirror(basis)]), basis)).toEqual({ kind: 'unchanged' })
})

test('a mirror with nothing new that sets HEAD is a deposit, unless HEAD is there already', () => {
  const two = { ...basis, refs: [{ name: 'refs/heads/a', oid: id('a'), type: 'commit' as const }, ...(basis.refs ?? [])] }
  const plan = (ref: string) => planPush(push([mirror(two)], { options: [`head=${ref}`] }), two)
  expect(plan('refs/heads/a')).toMatchObject({ kind: 'deposit', hasPack: false, listing: { head: { ref: 'refs/heads/a' } } })
  expect(plan('refs/heads/main')).toEqual({ kind: 'unchanged' })
})

test('a mirror with nothing new is a deposit when files were attached since', () => {
  const now = { ...basis, attachmentsWait: true }
  expect(planPush(push([mirror(now)]), now)).toMatchObject({
    kind: 'deposit',
    leansOn: 'archive',
    hasPack: false,
    listing: { head: basis.head },
  })
})

test('commands change what they name; the rest stays with what is known of it', () => {
  const plan = planPush(push([command('refs/heads/main', id('a'), id('c')), command('refs/heads/next', null, id('d'))]), basis)
  expect(plan).toMatchObject({
    kind: 'deposit',
    leansOn: 'archive',
    hasPack: true,
    listing: {
      pushed: true,
      head: { kind: 'branch', ref: 'refs/heads/main', oid: id('c') },
      refs: [
        { name: 'refs/heads/main', oid: id('c') },
        { name: 'refs/heads/next', oid: id('d') },
        { name: 'refs/tags/v1', oid: id('b'), peeled: id('a') },
      ],
    },
  })
})

test('a push that only deletes has no pack', () => {
  expect(planPush(push([command('refs/tags/v1', id('b'), null), mirror(basis)]), basis)).toMatchObject({ kind: 'deposit', hasPack: false })
})

test('whoever was shown nothing has sent everything, also when the reason is gone meanwhile', () => {
  for (const now of [due, basis]) {
    const plan = planPush(push([mirror(due), command('refs/heads/only', null, id('c'))]), now)
    expect(plan).toMatchObject({ kind: 'deposit', leansOn: 'nothing', listing: { refs: [{ name: 'refs/heads/only' }] } })
  }
})

test('a mirror that sends nothing, although everything was asked for, is a repository without refs and not an unchanged one', () => {
  expect(planPush(push([mirror(due)]), due)).toMatchObject({ kind: 'deposit', leansOn: 'nothing', hasPack: false, listing: { refs: [] } })
})

test('a push of some refs is one of everything when it names all of them', () => {
  const all = [command('refs/heads/main', null, id('c')), command('refs/tags/v1', null, id('b'))]
  expect(planPush(push(all), due)).toMatchObject({ kind: 'deposit', leansOn: 'nothing' })
  const gone = command('refs/heads/gone', null, null)
  // From an old value a pack may lean on what only the archive has.
  const moved = [command('refs/heads/main', id('a'), id('c')), command('refs/tags/v1', null, id('b'))]
  for (const some of [all.slice(1), [...all, gone], moved])
    expect(() => planPush(push(some), due)).toThrow(expect.objectContaining({ code: 'PUSH_REFUSED' }))
  // What nobody can read any more cannot be covered.
  expect(() => planPush(push(all), { ...due, refs: null })).toThrow(expect.objectContaining({ code: 'PUSH_REFUSED' }))
})

test('HEAD is asked for, or as before, or usual, or the first branch, or nothing', () => {
  const first: PushBasis = { ...due, refs: [], head: { kind: 'none' }, manifestDigest: null }
  const headOf = (names: readonly string[], options: readonly string[] = []) => {
    const plan = planPush(push([mirror(first), ...names.map((name) => command(name, null, id('c')))], { options }), first)
    return plan.kind === 'deposit' && plan.listing.head.kind === 'branch' ? plan.listing.head.ref : null
  }
  expect(headOf(['refs/heads/a', 'refs/heads/master', 'refs/heads/main'])).toBe('refs/heads/main')
  expect(headOf(['refs/heads/a', 'refs/heads/master'])).toBe('refs/heads/master')
  expect(headOf(['refs/heads/z', 'refs/heads/b'])).toBe('refs/heads/b')
  expect(headOf(['refs/tags/t'])).toBeNull()
  expect(headOf(['refs/heads/main', 'refs/heads/x'], ['head=refs/heads/x'])).toBe('refs/heads/x')
})

test.for<[string, readonly PushCommand[], Partial<PushRequest>, PushBasis, string]>([
  ['an old value that is not so', [command('refs/heads/main', id('c'), id('d'))], {}, basis, 'PUSH_STALE'],
  ['a ref to create that is there', [command('refs/heads/main', null, id('d'))], {}, basis, 'PUSH_STALE'],
  ['a ref to delete that is not there', [command('refs/heads/gone', id('c'), null)], {}, basis, 'PUSH_STALE'],
  ['a marker of other deposits', [command(markerName, id('1'), null)], {}, basis, 'PUSH_STALE'],
  ['a marker of refs when everything is due', [mirror(basis), command('refs/heads/main', id('a'), id('d'))], {}, due, 'PUSH_STALE'],
  ['a ref at the place of the marker', [command(markerName, markerOf(basis), id('d'))], {}, basis, 'PUSH_REFUSED'],
  ['a reserved ref', [command('refs/escrow/x', null, id('d'))], {}, basis, 'PUSH_REFUSED'],
  ['a shallow repository', [command('refs/heads/x', null, id('d'))], { shallow: true }, basis, 'PUSH_REFUSED'],
  ['a ref twice', [command('refs/heads/x', null, id('d')), command('refs/heads/x', null, null)], {}, basis, 'PUSH_REFUSED'],
  ['a head that is no branch', [command('refs/heads/x', null, id('d'))], { options: ['head=refs/tags/v1'] }, basis, 'PUSH_REFUSED'],
  ['a misspelt option', [mirror(basis)], { options: ['statment=e30'] }, basis, 'PUSH_REFUSED'],
  ['two heads', [mirror(basis)], { options: ['head=refs/heads/main', 'head=refs/heads/x'] }, basis, 'PUSH_REFUSED'],
  ['a folder where a ref is', [command('refs/heads/main/x', null, id('d'))], {}, basis, 'REF_NAME_INVALID'],
  ['a bad name', [{ ...command('', null, id('d')), problem: 'is odd' }], {}, basis, 'REF_NAME_INVALID'],
])('%s is refused', ([, commands, more, on, code]) => {
  expect(() => planPush(push(commands, more), on)).toThrow(expect.objectContaining({ code }))
})
