// Who may change what decides a release: those who may release, counted by the agreement they change.
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { canonicalize } from '../../../src/format/canonical-json.js'
import type { Agreement } from '../../../src/format/agreement.js'
import { judgeAmendment } from '../../../src/release/rules/amendment.js'
import { Consortium, type Circumstances } from '../../doubles/consortium.js'
import { dayMs, later, monday } from '../../doubles/moments.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

const house = new Consortium()
const old = { agreement: house.agreement, digest: house.digest }
const follow = (fields: Partial<Agreement>): Agreement => ({ ...house.agreement, version: 2, previous: house.digest, ...fields })

function judge(next: Agreement, signers: readonly string[], how: Circumstances = {}, now = monday, asked: readonly string[] = []) {
  const nextDigest = sha256Hex(canonicalize(next))
  const statements = signers.map((party) =>
    house.sign('agreement-amendment', party, { next: nextDigest, nextVersion: 2, reason: 'Agreed.' }, how),
  )
  return judgeAmendment(old, { next, nextDigest, statements: [...asked, ...statements] }, { now, verify: house.verify })
}

const weaker = follow({ release: { ...releasePart, conditions: releasePart.conditions.map((one) => ({ ...one, approvalGroups: [] })) } })
const fresh = (epoch: number) => ({ ...house.agreement.vault.epochs[0], epoch }) as Agreement['vault']['epochs'][number]
const seats = house.agreement.vault.custodians.map((seat) => (seat.index === 5 ? { ...seat, party: 'guardian' } : seat))

describe('an amendment', () => {
  test('of a title needs depositor and a beneficiary', () => {
    const next = follow({ title: 'Another title' })
    expect(judge(next, ['vendor', 'alpha'])).toMatchObject({ touched: [], missing: [] })
    expect(judge(next, ['vendor'])).toMatchObject({ missing: ['beneficiary'] })
  })

  test('of the approval groups needs the custodians and every group that it abolishes', () => {
    expect(judge(weaker, ['vendor', 'alpha'])).toMatchObject({
      touched: ['release'],
      missing: ['custodians', 'insolvent/legal', 'order/legal', 'consent/legal'],
    })
    expect(judge(weaker, ['vendor', 'alpha', 'c1', 'c2', 'c3', 'legal2'])).toMatchObject({ missing: [] })
    expect(judge(weaker, ['vendor', 'alpha', 'c1', 'c2', 'legal2'])).toMatchObject({ missing: ['custodians'] })
  })

  test('counts no expired signature, and none by another’s key', () => {
    const signers = ['vendor', 'alpha', 'c1', 'c2', 'c3', 'legal2']
    expect(judge(weaker, signers, { lifeDays: 1 }, later(monday, 2 * dayMs)).missing).toContain('custodians')
    expect(refusal(() => judge(weaker, ['c1'], { key: 'stranger' }))).toBe('SIGNATURE_INVALID')
    expect(judge(weaker, ['c1', 'c2', 'c3'], { key: 'agent' }).missing).toContain('custodians')
  })

  test('that replaces a custodian needs an epoch dealt anew', () => {
    const vault = { ...house.agreement.vault, custodians: seats }
    expect(refusal(() => judge(follow({ vault }), ['vendor', 'alpha']))).toBe('AGREEMENT_INVALID')
    const dealt = follow({ vault: { ...vault, epochs: [fresh(3), fresh(4)] } })
    expect(judge(dealt, ['vendor', 'alpha', 'c1', 'c2', 'c3', 'legal1'])).toMatchObject({
      touched: ['vault'],
      newCustodians: ['guardian'],
      leavingCustodians: ['c5'],
      missing: [],
    })
  })

  test.for([
    ['that lowers the threshold of a dealt epoch', follow({ vault: { ...house.agreement.vault, threshold: 2 } })],
    [
      'that swaps the recipient of a dealt epoch',
      follow({ vault: { ...house.agreement.vault, epochs: [{ ...fresh(1), recipient: house.party('alpha').recipient ?? '' }, fresh(3)] } }),
    ],
    ['that follows nothing', follow({ previous: 'ee'.repeat(32) })],
    ['that skips a version', follow({ version: 3 })],
  ] as const)('%s is refused', ([, next]) => {
    expect(refusal(() => judge(next, ['vendor', 'alpha']))).toBe('AGREEMENT_INVALID')
  })
})

describe('other keys', () => {
  const everybody = ['vendor', 'alpha', 'c1', 'c2', 'c3', 'legal1']
  const keysOf = (name: string) => [{ kind: 'ed25519' as const, publicKey: house.key(name).publicKey }]
  const { recipient, recoveryRecipient, keys: old1 } = house.party('c1')
  const wish = (name: string) => ({ keys: keysOf(name), recipient, recoveryRecipient })
  const rekeyed = (keys: ReturnType<typeof keysOf> | Agreement['parties'][number]['keys'], fields: object = {}) =>
    follow({ parties: house.agreement.parties.map((party) => (party.party === 'c1' ? { ...party, keys: [...keys], ...fields } : party)) })
  const ask = (by: string, name: string, how: Circumstances = {}) =>
    house.sign('key-change', by, { subject: 'c1', ...wish(name), reason: 'The card is old.' }, how)
  const unasked = (next: Agreement, asked: readonly string[], now = monday) => judge(next, everybody, {}, now, asked).unaskedKeys

  test('are taken up by the next version as the party has asked for them with the keys that it has', () => {
    const verdict = judge(rekeyed(keysOf('new')), everybody, {}, monday, [ask('c1', 'new')])
    expect(verdict).toMatchObject({ changedKeys: ['c1'], unaskedKeys: [], missing: [], touched: ['parties'] })
  })

  test('that nobody has asked for are no other way to get a seat, whoever agrees', () => {
    expect(judge(rekeyed(keysOf('new')), everybody)).toMatchObject({ missing: [], unaskedKeys: ['c1'] })
    expect(unasked(rekeyed(old1, { recipient: house.party('alpha').recipient }), [])).toEqual(['c1'])
    expect(refusal(() => ask('c1', 'new', { key: 'new' }) && unasked(rekeyed(keysOf('new')), [ask('c1', 'new', { key: 'new' })]))).toBe(
      'SIGNATURE_INVALID',
    )
  })

  test.for([
    ['other keys than were asked for', () => unasked(rekeyed(keysOf('mallory')), [ask('c1', 'new')])],
    [
      'the keys and another recipient',
      () => unasked(rekeyed(keysOf('new'), { recipient: house.party('alpha').recipient }), [ask('c1', 'new')]),
    ],
    ['the old keys, as if nothing had been asked', () => unasked(rekeyed(old1), [ask('c1', 'new')])],
    [
      'what was asked before the last word',
      () => unasked(rekeyed(keysOf('new')), [ask('c1', 'newer', { at: later(monday, 1) }), ask('c1', 'new')]),
    ],
    ['what lapsed', () => unasked(rekeyed(keysOf('new')), [ask('c1', 'new', { lifeDays: 1 })], later(monday, dayMs))],
    ['what was asked of an earlier version', () => unasked(rekeyed(keysOf('new')), [ask('c1', 'new', { agreement: 'ab'.repeat(32) })])],
    ['the word of one other party', () => unasked(rekeyed(keysOf('new')), [ask('ministry', 'new')])],
    ['two others without an impartial one', () => unasked(rekeyed(keysOf('new')), [ask('c2', 'new'), ask('c3', 'new')])],
    [
      'an impartial one with depositor and agent',
      () =>
        unasked(
          rekeyed(keysOf('new')),
          ['ministry', 'vendor', 'agent'].map((by) => ask(by, 'new')),
        ),
    ],
    ['two others who ask for different keys', () => unasked(rekeyed(keysOf('new')), [ask('ministry', 'new'), ask('c2', 'newer')])],
  ] as const)('do not come by %s', ([, run]) => {
    expect(run()).toEqual(['c1'])
  })

  test('of a party that has lost its own come by two others, one of them impartial; a stolen key does not choose its successor', () => {
    const others = [ask('ministry', 'new'), ask('c2', 'new')]
    expect(unasked(rekeyed(keysOf('new')), others)).toEqual([])
    const thief = ask('c1', 'mallory', { at: later(monday, 1) })
    expect(unasked(rekeyed(keysOf('new')), [...others, thief])).toEqual([])
    expect(unasked(rekeyed(keysOf('mallory')), [...others, thief])).toEqual(['c1'])
  })
})
