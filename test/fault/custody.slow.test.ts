// Every write around an agreement fails twice: not stored, and stored but the answer was lost, each with the machine dead afterwards. The same
// document given again brings everything exactly where it would be, and nothing is there twice.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPartyFolder } from '../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { sealBytes } from '../../src/crypto/seal-envelope.js'
import { Database } from '../../src/db/database.js'
import { AgreementShelf } from '../../src/escrow/archive/agreement-shelf.js'
import { Agreement, AgreementAnnex } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { countersign, digestOf, signDocument } from '../../src/format/signed-document.js'
import { AmendAgreement } from '../../src/release/amendment/amend-agreement.js'
import { findLegalOrder } from '../../src/release/legal/legal-order.table.js'
import { listStatements } from '../../src/release/release.table.js'
import { SignAsAgent } from '../../src/release/sweep/sign-as-agent.js'
import { StartDrill } from '../../src/release/drill/start-drill.js'
import { peekStatement } from '../../src/release/rules/statement-verifier.js'
import { failingAdapters, FailingWrites, type WriteFault } from '../doubles/failing-writes.js'
import { ReleaseHouse, ReleaseTemplate } from '../doubles/release-house.js'

const writes = new FailingWrites()
let template: ReleaseTemplate
let house: ReleaseHouse

beforeAll(async () => {
  template = await ReleaseTemplate.make()
  house = await ReleaseHouse.open(template, failingAdapters(writes))
  await house.tick()
}, 300_000)
afterAll(async () => {
  await house.close()
  await template.remove()
})

const faults: readonly WriteFault[] = ['not stored, then dead', 'stored, then dead']

/** Try with the n-th write failing, for every n until none is reached; each time on something fresh. */
async function everyWrite(
  prepare: () => Promise<{ readonly act: () => Promise<unknown>; readonly check: () => Promise<void> }>,
): Promise<number> {
  for (let at = 1; ; at += 1) {
    for (const fault of faults) {
      house.clock.advance(1000)
      const { act, check } = await prepare()
      writes.plan(at, fault)
      await act().catch(() => undefined)
      const { struck } = writes
      writes.revive()
      await act()
      await check()
      if (!struck) return at
    }
  }
}

const count = async (type: string, subject?: string): Promise<number> =>
  (await house.eventsOf(subject)).filter((one) => one === type).length
const recorded = async (subject: string): Promise<readonly string[]> => {
  const { agreement } = house.agreement.body
  return (await house.app.get(Database).query((db) => listStatements(db, subject, agreement))).map(({ digest }) => digest)
}

test.for(['heartbeat', 'availability'] as const)('%s', { timeout: 300_000 }, async (name) => {
  const reached = await everyWrite(async () => {
    const matter = { subject: 'auditor', available: true, cause: 'other', reason: 'I am back.' } as const
    const bytes = name === 'heartbeat' ? await house.sign(name, 'vendor', {}) : await house.sign(name, 'auditor', matter)
    const before = await count('statement-recorded')
    return {
      act: () => house.record(bytes),
      check: async () => {
        expect(await count('statement-recorded')).toBe(before + 1)
        expect((await recorded(house.agreement.body.agreement)).filter((digest) => digest === peekStatement(bytes).digest)).toHaveLength(1)
      },
    }
  })
  expect(reached).toBeGreaterThan(3)
})

test('an order against us that must not be spoken of, and the step that brings it into the open', async () => {
  const { signed } = await house.app.get(AgreementShelf).get(house.agreement.body.agreement)
  const sign = house.app.get(SignAsAgent)
  const matter = { kind: 'disclosure', issuer: 'Court', jurisdiction: 'US', reference: 'L', documents: [], contestUntil: null } as const
  const gag = { receivedAt: house.clock.now().toISOString(), noticeForbidden: true, noticeForbiddenUntil: null }
  const register = () => sign.run(signed, { name: 'legal-order', epoch: 1 }, { ...matter, ...gag, documents: [] })
  const sealed = await everyWrite(async () => {
    const bytes = register()
    const { digest } = peekStatement(bytes)
    return {
      act: () => house.record(bytes),
      check: async () =>
        expect([await house.eventsOf(`sealed-${digest.slice(0, 20)}`), await recorded(digest)]).toEqual([['record-sealed'], [digest]]),
    }
  })
  const opened = await everyWrite(async () => {
    const bytes = register()
    const order = peekStatement(bytes).digest
    await house.record(bytes)
    const step = sign.run(
      signed,
      { name: 'legal-order-step', epoch: 1 },
      { order, step: { kind: 'notice-allowed' }, proof: 'ab'.repeat(32) },
    )
    const before = await count('legal-order-advanced')
    return {
      act: () => house.record(step),
      check: async () => {
        const row = await house.app.get(Database).query((db) => findLegalOrder(db, order))
        expect([row?.progress.noticeAllowed, row?.revision, await count('legal-order-advanced')]).toEqual([true, 2, before + 1])
      },
    }
  })
  expect([sealed > 3, opened > 4]).toEqual([true, true])
}, 600_000)

test('a vote in a drill', async () => {
  const wish = { kind: 'approval', condition: 'insolvent' } as const
  const reached = await everyWrite(async () => {
    const { drill } = await house.app.get(StartDrill).run(house.agreement.body.agreement, wish, 48)
    const cover = { requestDigest: drill, agreement: house.agreement.digest, epoch: 1, recipients: [house.recipientOf('partner')] }
    const bytes = await house.sign('approval', 'notary', { covers: [cover], reason: 'Drill.' })
    return { act: () => house.record(bytes), check: async () => expect(await recorded(drill)).toEqual([peekStatement(bytes).digest]) }
  })
  expect(reached).toBeGreaterThan(3)
})

test('an amendment', async () => {
  const keyOf = async (party: string) => (await openPartyFolder(template.home.party(party))).signingKey
  const { identity } = await openPartyFolder(template.home.party('vendor'))
  const sealedAnnex = readFileSync(template.home.at('agreement', 'annex.age'))
  const annexBody = AgreementAnnex.parse(JSON.parse(Buffer.from(openBytes(sealedAnnex, identity)).toString()))
  const reached = await everyWrite(async () => {
    const { signed } = await house.app.get(AgreementShelf).get(house.agreement.body.agreement)
    const version = signed.body.version + 1
    const body = Agreement.parse({ ...signed.body, version, previous: signed.digest, title: `Title ${version}` })
    const recipients = body.parties.flatMap(({ recipient }) => (recipient === null ? [] : [recipient]))
    const annex = sealBytes(canonicalize({ ...annexBody, version }), recipients, new SystemEntropy())
    const first = signDocument({ body, schema: Agreement, key: await keyOf('vendor') })
    const document = countersign(first, await keyOf('partner'))
    const matter = { next: digestOf(body), nextVersion: version, reason: 'Agreed.' }
    const agreed = (party: string) => house.sign('agreement-amendment', party, matter, { agreement: signed.digest })
    const statements = await Promise.all(['vendor', 'partner'].map(agreed))
    const before = await count('agreement-amended')
    return {
      act: () => house.app.get(AmendAgreement).run({ document, annex, statements, credentialFiles: new Map() }),
      check: async () => {
        const after = await house.app.get(AgreementShelf).get(body.agreement)
        expect([after.row.version, after.signed.digest, await count('agreement-amended')]).toEqual([version, digestOf(body), before + 1])
      },
    }
  })
  expect(reached).toBeGreaterThan(8)
}, 600_000)
