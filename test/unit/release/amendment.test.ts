// Who may change what decides a release: those who may release, counted by the agreement they change.
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { canonicalize } from '../../../src/format/canonical-json.js'
import type { Agreement } from '../../../src/format/agreement.js'
import { judgeAmendment } from '../../../src/release/amendment.js'
import { Consortium, dayMs, later, monday, refusal, releasePart, type Circumstances } from '../../doubles/consortium.js'

const house = new Consortium()
const old = { agreement: house.agreement, digest: house.digest }
const follow = (fields: Partial<Agreement>): Agreement => ({ ...house.agreement, version: 2, previous: house.digest, ...fields })

function judge(next: Agreement, signers: readonly string[], how: Circumstances = {}, now = monday) {
  const nextDigest = sha256Hex(canonicalize(next))
  const statements = signers.map((party) =>
    house.sign('agreement-amendment', party, { next: nextDigest, nextVersion: 2, reason: 'Agreed.' }, how),
  )
  return judgeAmendment(old, { next, nextDigest, statements }, { now, verify: house.verify })
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
