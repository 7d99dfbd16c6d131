// Amendments as the service records them: who must agree, what stays as it was, and what an operator or a party cannot slip through.
import { expect, test } from 'vitest'
import { digestOf } from '../../src/format/signed-document.js'
import { AmendAgreement } from '../../src/release/amendment/amend-agreement.js'
import { amend, everybody, nextVersion } from '../doubles/next-version.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

test('a policy that is amended in the middle of a request governs the next one, not this one', async () => {
  await house.record(await house.ask())
  const { clocks: _clocks, ...policy } = house.agreement.body.release as { readonly clocks?: unknown }
  // Nobody would have time to object, and an hour of silence would do.
  const hasty = await nextVersion(house, {
    release: { ...policy, clocks: { objectionBusinessDays: 0, approvalHours: 1, coolingOffHours: 0 } },
  })
  expect(await amend(house, hasty, ['vendor', 'partner', 'notary', 'university'])).toMatchObject({
    inForce: false,
    verdict: { missing: ['custodians'] },
  })
  expect(await amend(house, hasty, everybody)).toMatchObject({ inForce: true, verdict: { touched: ['release'] } })
  for (let days = 0; days < 8; days += 1) await house.wait(dayMs)
  expect(await house.state()).toBe('notice')
  const asked = await house.ask()
  expect(await refusal(house.record(asked))).toBe('AGREEMENT_DIGEST')
  const next = await house.ask({}, { agreement: digestOf(hasty.body) })
  await house.record(next)
  for (let days = 0; days < 10; days += 1) await house.wait(dayMs)
  const [first, second] = await house.requests()
  expect([first?.state, second?.state]).toEqual(['notice', 'expired'])
  expect((await house.eventsOf()).filter((type) => type === 'agreement-amended')).toHaveLength(1)
})

test('replayed, expired and borrowed consent puts nothing into force, and neither does another secret or a skipped version', async () => {
  const titled = await nextVersion(house, { title: 'Another title' })
  expect(await amend(house, titled, ['vendor', 'vendor', 'vendor'])).toMatchObject({
    inForce: false,
    verdict: { missing: ['beneficiary'] },
  })
  expect(await refusal(amend(house, titled, ['vendor', 'partner'], { as: 'vendor' }))).toBe(null)
  expect((await amend(house, titled, ['partner'], { as: 'vendor' })).verdict.missing).toContain('beneficiary')
  const stale = await house.sign(
    'agreement-amendment',
    'partner',
    { next: digestOf(titled.body), nextVersion: 2, reason: 'Once.' },
    { lifeDays: 1 },
  )
  house.clock.advance(2 * dayMs)
  const own = await house.sign('agreement-amendment', 'vendor', { next: digestOf(titled.body), nextVersion: 2, reason: 'Still.' })
  const late = await house.app.get(AmendAgreement).run({ ...titled, statements: [stale, own], credentialFiles: new Map() })
  expect(late).toMatchObject({ inForce: false, verdict: { missing: ['beneficiary'] } })
  expect(await refusal(nextVersion(house, {}, { tagSecret: 'ab'.repeat(32) }).then((next) => amend(house, next, everybody)))).not.toBe(null)
  expect(await refusal(nextVersion(house, { version: 3 }).then((next) => amend(house, next, everybody)))).toBe('AGREEMENT_INVALID')
  // The same shares cannot serve another circle of holders.
  const custodians = house.agreement.body.vault.custodians.map((seat) => ({ ...seat, index: (seat.index % 5) + 1 }))
  const shuffled = nextVersion(house, { vault: { ...house.agreement.body.vault, custodians } })
  expect(await refusal(shuffled.then((next) => amend(house, next, everybody)))).toBe('AGREEMENT_INVALID')
  expect((await house.eventsOf()).filter((type) => type === 'agreement-amended')).toEqual([])
  const done = await amend(house, titled, ['vendor', 'partner'])
  expect([done.inForce, (await amend(house, titled, [])).inForce]).toEqual([true, true])
})
