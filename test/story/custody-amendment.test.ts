// Amendments as the service records them: who must agree, what stays as it was, and what an operator or a party cannot slip through.
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPartyFolder } from '../../src/cli/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { Agreement, AgreementAnnex } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { countersign, digestOf, signDocument } from '../../src/format/signed-document.js'
import { AmendAgreement, type AmendmentStanding } from '../../src/release/amend-agreement.js'
import { dayMs, refusal, ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'

let template: ReleaseTemplate
let house: ReleaseHouse
beforeAll(async () => {
  template = await ReleaseTemplate.make()
}, 120_000)
afterAll(() => template.remove())
beforeEach(async () => {
  house = await ReleaseHouse.open(template)
})
afterEach(() => house.close())

const keyOf = async (party: string) => (await openPartyFolder(template.home.party(party))).signingKey

/** The next version with an annex that fits, signed by depositor and beneficiary. */
async function nextVersion(
  fields: Partial<Agreement>,
  secret?: string,
): Promise<{ readonly body: Agreement; readonly document: Uint8Array; readonly annex: Uint8Array }> {
  const { identity } = await openPartyFolder(template.home.party('vendor'))
  const before = AgreementAnnex.parse(
    JSON.parse(Buffer.from(openBytes(readFileSync(template.home.at('agreement', 'annex.age')), identity)).toString()),
  )
  const body = Agreement.parse({ ...house.agreement.body, version: 2, previous: house.agreement.digest, ...fields })
  const recipients = body.parties.flatMap(({ recipient }) => (recipient === null ? [] : [recipient]))
  const annex = sealBytes(
    canonicalize({ ...before, version: body.version, tagSecret: secret ?? before.tagSecret }),
    recipients,
    new SystemEntropy(),
  )
  const first = signDocument({ body, schema: Agreement, key: await keyOf('vendor') })
  return { body, document: countersign(first, await keyOf('partner')), annex }
}

async function amend(
  next: Awaited<ReturnType<typeof nextVersion>>,
  parties: readonly string[],
  how: Parameters<ReleaseHouse['sign']>[3] = {},
): Promise<AmendmentStanding> {
  const matter = { next: digestOf(next.body), nextVersion: 2, reason: 'Agreed.' }
  const statements = await Promise.all(parties.map((party) => house.sign('agreement-amendment', party, matter, how)))
  return house.app.get(AmendAgreement).run({ ...next, statements, credentialFiles: new Map() })
}

const everybody = ['vendor', 'partner', 'notary', 'university', 'chamber']

test('a policy that is amended in the middle of a request governs the next one, not this one', async () => {
  await house.record(await house.ask())
  const { clocks: _clocks, ...policy } = house.agreement.body.release as { readonly clocks?: unknown }
  // Nobody would have time to object, and an hour of silence would do.
  const hasty = await nextVersion({ release: { ...policy, clocks: { objectionBusinessDays: 0, approvalHours: 1, coolingOffHours: 0 } } })
  expect(await amend(hasty, ['vendor', 'partner', 'notary', 'university'])).toMatchObject({
    inForce: false,
    verdict: { missing: ['custodians'] },
  })
  expect(await amend(hasty, everybody)).toMatchObject({ inForce: true, verdict: { touched: ['release'] } })
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
  const titled = await nextVersion({ title: 'Another title' })
  expect(await amend(titled, ['vendor', 'vendor', 'vendor'])).toMatchObject({ inForce: false, verdict: { missing: ['beneficiary'] } })
  expect(await refusal(amend(titled, ['vendor', 'partner'], { as: 'vendor' }))).toBe(null)
  expect((await amend(titled, ['partner'], { as: 'vendor' })).verdict.missing).toContain('beneficiary')
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
  expect(await refusal(nextVersion({}, 'ab'.repeat(32)).then((next) => amend(next, everybody)))).not.toBe(null)
  expect(await refusal(nextVersion({ version: 3 }).then((next) => amend(next, everybody)))).toBe('AGREEMENT_INVALID')
  // The same shares cannot serve another circle of holders.
  const custodians = house.agreement.body.vault.custodians.map((seat) => ({ ...seat, index: (seat.index % 5) + 1 }))
  const shuffled = nextVersion({ vault: { ...house.agreement.body.vault, custodians } })
  expect(await refusal(shuffled.then((next) => amend(next, everybody)))).toBe('AGREEMENT_INVALID')
  expect((await house.eventsOf()).filter((type) => type === 'agreement-amended')).toEqual([])
  const done = await amend(titled, ['vendor', 'partner'])
  expect([done.inForce, (await amend(titled, [])).inForce]).toEqual([true, true])
})
