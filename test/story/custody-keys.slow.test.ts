// Other keys for a party: asked for with those it has, taken up by the next version, and never a way to somebody else's seat.
import { expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { signingKeyFromSeed, type SigningKey } from '../../src/crypto/signature.js'
import { digestOf } from '../../src/format/signed-document.js'
import { AmendAgreement } from '../../src/release/amendment/amend-agreement.js'
import { amend, everybody, keyOf, nextVersion } from '../doubles/next-version.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse, type ReleaseTemplate } from '../doubles/release-house.js'

let house: ReleaseHouse
let template: ReleaseTemplate
eachReleaseHouse((opened, made) => {
  house = opened
  template = made
})

const encoded = (key: SigningKey) => [{ kind: 'ed25519' as const, publicKey: key.publicKey }]

test('a custodian gets other keys by the amendment that takes them up: the new key speaks under it, the old one under what was asked before', async () => {
  const fresh = signingKeyFromSeed(new SystemEntropy().bytes(32))
  const { parties } = house.agreement.body
  const rekeyed = (keys: ReturnType<typeof encoded>) => parties.map((party) => (party.party === 'notary' ? { ...party, keys } : party))
  const { recipient, recoveryRecipient } = parties.find(({ party }) => party === 'notary')!
  const wish = { subject: 'notary', keys: encoded(fresh), recipient, recoveryRecipient, reason: 'The card is old.' }
  await house.reachApproval()
  const next = await nextVersion(house, { parties: rekeyed(encoded(fresh)) })
  expect(await amend(house, next, everybody)).toMatchObject({ inForce: false, verdict: { missing: [], unaskedKeys: ['notary'] } })
  // The new key cannot ask for itself, neither recorded nor brought along.
  const forged = await house.sign('key-change', 'notary', wish, { key: fresh })
  expect(await refusal(house.record(forged))).toBe('SIGNATURE_INVALID')
  const bring = { ...next, statements: [forged], credentialFiles: new Map() }
  expect(await refusal(house.app.get(AmendAgreement).run(bring))).toBe('SIGNATURE_INVALID')
  await house.record(await house.sign('key-change', 'notary', wish))
  // Once it is recorded nobody amends around it, and nobody puts other keys in its place.
  const stranger = signingKeyFromSeed(new SystemEntropy().bytes(32))
  for (const passing of [{ title: 'Another title' }, { parties: rekeyed(encoded(stranger)) }]) {
    const around = await nextVersion(house, passing)
    expect(await amend(house, around, everybody)).toMatchObject({ inForce: false, verdict: { missing: [], unaskedKeys: ['notary'] } })
  }
  expect(await amend(house, next, everybody)).toMatchObject({ inForce: true, verdict: { changedKeys: ['notary'], unaskedKeys: [] } })
  // The request under way stays with the version in which it was submitted, and so with its keys.
  const row = await house.request()
  const cover = {
    requestDigest: row.requestDigest,
    agreement: row.agreementDigest,
    epoch: row.epoch,
    recipients: [house.recipientOf('partner')],
  }
  const vote = (how: Parameters<ReleaseHouse['sign']>[3]) => house.sign('approval', 'notary', { covers: [cover], reason: 'Yes.' }, how)
  expect(await refusal(vote({ key: fresh }).then((bytes) => house.record(bytes)))).toBe('SIGNATURE_INVALID')
  await house.record(await vote({}))
  expect((await house.request()).progress.votes).toHaveLength(1)
  // What is said from now on is said with the new key.
  const health = { subject: 'notary', available: false, cause: 'other' as const, reason: 'On leave.' }
  const say = (how: Parameters<ReleaseHouse['sign']>[3]) => house.sign('availability', 'notary', health, how)
  const agreement = digestOf(next.body)
  expect(await refusal(say({}).then((bytes) => house.record(bytes)))).toBe('AGREEMENT_DIGEST')
  expect(await refusal(say({ agreement }).then((bytes) => house.record(bytes)))).toBe('SIGNATURE_INVALID')
  await house.record(await say({ agreement, key: fresh }))
})

test('a depositor with other keys signs the version that pins them with the old ones and the new ones', async () => {
  const fresh = signingKeyFromSeed(new SystemEntropy().bytes(32))
  const [old, partner] = [await keyOf(house, 'vendor'), await keyOf(house, 'partner')]
  const vendor = house.agreement.body.parties.find(({ role }) => role === 'depositor')!
  const parties = house.agreement.body.parties.map((party) => (party === vendor ? { ...party, keys: encoded(fresh) } : party))
  const { recipient, recoveryRecipient } = vendor
  const asked = await house.sign('key-change', 'vendor', {
    subject: 'vendor',
    keys: encoded(fresh),
    recipient,
    recoveryRecipient,
    reason: 'Stolen.',
  })
  await house.record(asked)
  for (const signers of [
    [fresh, partner],
    [partner, old],
  ]) {
    expect(await refusal(nextVersion(house, { parties }, { signers }).then((next) => amend(house, next, everybody)))).toBe(
      'SIGNATURE_INVALID',
    )
  }
  expect((await amend(house, await nextVersion(house, { parties }, { signers: [fresh, partner, old] }), everybody)).inForce).toBe(true)
})

test('by command line: asked for, written into the next version, signed with new keys and old ones, and in force', async () => {
  const { home } = template
  const [old, fresh, next] = [home.party('vendor'), home.at('new-vendor'), home.at('two', 'agreement.json')]
  const signing = (party: string, name: string) => [
    '--as',
    home.party(party),
    '--agreement',
    home.agreement,
    '--out',
    home.at(`${party}-${name}.json`),
  ]
  await home.must('keygen', fresh, '--party', 'vendor', '--role', 'depositor', '--country', 'US', '--organisation', 'vendor')
  const reading = ['--as', old, '--agreement', home.agreement, '--annex', home.at('agreement', 'annex.age')]
  await home.must('agreement', 'revise', ...reading, '--party', fresh, '--out', home.at('two'))
  for (const folder of [fresh, home.party('partner')]) await home.must('agreement', 'sign', next, '--as', folder)
  for (const party of everybody) {
    const agreed = await home.must('agreement', 'agree', next, ...signing(party, 'agree'), '--reason', 'Agreed.')
    expect(agreed).toMatch(/other keys +vendor/)
  }
  const statements = everybody.map((party) => home.at(`${party}-agree.json`))
  const bring = () => home.run('agreement', 'amend', next, ...statements, '--annex', home.at('two', 'annex.age'))
  const unasked = await bring()
  expect([unasked.exitCode, unasked.out]).toEqual([3, expect.stringContaining('vendor: the keys are not the ones asked for')])
  await home.must('key-change', ...signing('vendor', 'keys'), '--to', fresh, '--reason', 'Stolen.')
  await home.must('release', 'record', home.at('vendor-keys.json'))
  expect((await bring()).err).toContain('[SIGNATURE_INVALID]')
  expect((await home.run('agreement', 'sign', next, '--as', old)).err).toContain('[KEY_INVALID]')
  const stray = await home.run('agreement', 'sign', next, '--as', old, '--before', next)
  expect(stray.err).toContain('[AGREEMENT_INVALID]')
  await home.must('agreement', 'sign', next, '--as', old, '--before', home.agreement)
  expect(await bring()).toMatchObject({ exitCode: 0, out: expect.stringMatching(/other keys +vendor/) })
})
