import { expect, test } from 'vitest'
import { Agreement, type Party } from '../../../src/format/agreement.js'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { agreementProblems, checkAgreement } from '../../../src/format/check-agreement.js'
import { requireSignatures } from '../../../src/format/signed-agreement.js'
import { digestOf } from '../../../src/format/signed-document.js'
import vectors from '../../vectors/agreement.json' with { type: 'json' }

const agreement = Agreement.parse(parseCanonical(new TextEncoder().encode(vectors.text)))
const { vault, parties, jurisdiction } = agreement
const party = (name: string): Party => parties.find((one) => one.party === name) ?? (parties[0] as Party)
const withParty = (name: string, change: Partial<Party>): Partial<Agreement> => ({
  parties: parties.map((one) => (one.party === name ? { ...one, ...change } : one)),
})
const withVault = (change: Partial<Agreement['vault']>): Partial<Agreement> => ({ vault: { ...vault, ...change } })
const withPolicy = (change: Partial<Agreement['jurisdiction']>): Partial<Agreement> => ({ jurisdiction: { ...jurisdiction, ...change } })
const [epoch, reserve] = vault.epochs as [Agreement['vault']['epochs'][number], Agreement['vault']['epochs'][number]]
const [source] = agreement.sources as [Agreement['sources'][number]]
const standing = (country: string, control = country) => ({ ...party('notary').standing, country, control })

test('vector: an agreement of ten parties', () => {
  expect(digestOf(agreement)).toBe(vectors.digest)
  expect(agreementProblems(agreement)).toEqual([])
})

test.for<[RegExp, string, Partial<Agreement>]>([
  [/version 1 without/, 'a first version with one before it', { previous: '0'.repeat(64) }],
  [/version 1 without/, 'a second version without one before it', { version: 2 }],
  [/end after/, 'an end before its beginning', { endsAt: agreement.createdAt }],
  [/title without control/, 'an escape sequence in the title', { title: '\u001b[2J' }],
  [/names without control/, 'a mark that reorders text in a name', withParty('notary', { name: 'a\u202eb' })],
  [/one depositor, got 0/, 'no depositor', { parties: parties.filter((one) => one.role !== 'depositor') }],
  [/one depositor, got 2/, 'two depositors', withParty('ministry', { role: 'depositor' })],
  [/one agent, got 0/, 'no agent', { parties: parties.filter((one) => one.role !== 'agent') }],
  [/one agent, got 2/, 'two agents', withParty('ministry', { role: 'agent' })],
  [/at most one arbiter/, 'two arbiters', withParty('ministry', { role: 'arbiter' })],
  [/at least one beneficiary/, 'no beneficiary', { parties: parties.filter((one) => one.role !== 'beneficiary') }],
  [/each party once, got notary twice/, 'a party twice', { parties: [...parties, party('notary')] }],
  [/each signing key once/, 'one key for two parties', withParty('notary', { keys: party('auditor').keys })],
  [/each recipient once/, 'one recipient for two parties', withParty('notary', { recipient: party('auditor').recipient })],
  [
    /each recipient once/,
    'a recovery recipient that is the recipient',
    withParty('partner', { recoveryRecipient: party('partner').recipient }),
  ],
  [/recipient for notary/, 'a custodian without a recipient', withParty('notary', { recipient: null })],
  [
    /recovery recipient for beneficiaries/,
    'a recovery recipient for the agent',
    withParty('agent', { recoveryRecipient: `age1${'q'.repeat(58)}` }),
  ],
  [
    /recipient: expected age1/,
    'a recipient with a wrong checksum',
    withParty('notary', { recipient: (party('notary').recipient ?? '').replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')) }),
  ],
  [/key of notary/, 'a key of small order', withParty('notary', { keys: [{ kind: 'ed25519', publicKey: `${'A'.repeat(43)}=` }] })],
  [/key of notary/, 'an OpenSSH key that is none', withParty('notary', { keys: [{ kind: 'sshsig', publicKey: 'ssh-ed25519 AAAA' }] })],
  [
    /largest foreign holder/,
    'one holder with more than all',
    withParty('notary', { standing: { ...party('notary').standing, foreignCapitalLargestPercent: 30, foreignCapitalTotalPercent: 20 } }),
  ],
  [/at least 6 custodians for a threshold of 4/, 'too few spare custodians', withVault({ threshold: 4 })],
  [
    /indices 1 to 5/,
    'an index that is missing',
    withVault({ custodians: vault.custodians.map((one) => (one.index === 5 ? { ...one, index: 6 } : one)) }),
  ],
  [
    /indices 1 to 5/,
    'an index twice',
    withVault({ custodians: vault.custodians.map((one) => (one.index === 5 ? { ...one, index: 4 } : one)) }),
  ],
  [
    /each custodian once/,
    'a custodian with two shares',
    withVault({ custodians: vault.custodians.map((one) => (one.index === 5 ? { ...one, party: 'notary' } : one)) }),
  ],
  [
    /custodian stranger among the parties/,
    'a custodian who is no party',
    withVault({ custodians: vault.custodians.map((one) => (one.index === 5 ? { ...one, party: 'stranger' } : one)) }),
  ],
  [
    /vendor to be a custodian, got a depositor/,
    'the depositor as a custodian',
    withVault({ custodians: vault.custodians.map((one) => (one.index === 5 ? { ...one, party: 'vendor' } : one)) }),
  ],
  [/each epoch once/, 'an epoch twice', withVault({ epochs: [epoch, { ...reserve, epoch: epoch.epoch }] })],
  [
    /each vault recipient once/,
    'a reserve that is the current key',
    withVault({ epochs: [epoch, { ...reserve, recipient: epoch.recipient }] }),
  ],
  [
    /vault recipient of its own/,
    'a party that is the vault',
    withVault({ epochs: [{ ...epoch, recipient: party('agent').recipient ?? '' }, reserve] }),
  ],
  [/reserve epoch/, 'no reserve', withVault({ epochs: [epoch] })],
  [
    /3 commitments in epoch 1, got 4/,
    'a commitment too many',
    withVault({ epochs: [{ ...epoch, commitments: [...epoch.commitments, ...epoch.commitments.slice(0, 1)] }, reserve] }),
  ],
  [
    /3 commitments in epoch 2, got 2/,
    'a commitment too few',
    withVault({ epochs: [epoch, { ...reserve, commitments: reserve.commitments.slice(1) }] }),
  ],
  [/each source once/, 'a source twice', { sources: [source, source] }],
  [/remote for core/, 'a pulled source without a remote', { sources: [{ ...source, remoteDigest: null }] }],
  [/remote for core/, 'a sealed source with a remote', { sources: [{ ...source, mode: 'sealed' }] }],
  [/custodianCountriesMin \(seat\): expected at least 6/, 'more countries than custodians have', withPolicy({ custodianCountriesMin: 6 })],
  [
    /custodianOrganisationsMin: expected at least 6/,
    'more organisations than custodians are',
    withPolicy({ custodianOrganisationsMin: 6 }),
  ],
  [
    /approverCountries: expected 3 custodians who may vote, got 2/,
    'approvers from countries that few custodians are in',
    withPolicy({ approverCountries: ['CH', 'DE'], custodianCountriesMin: 1, custodianOrganisationsMin: 1 }),
  ],
  [/log: /, 'a log key that is none', { log: { ...agreement.log, key: 'log' } }],
  [/log: .*quorum/, 'more cosignatures than witnesses', { log: { ...agreement.log, witnessQuorum: 3 } }],
])('%s: %s', ([problem, , change]) => {
  const refuse = expect.objectContaining({ code: 'AGREEMENT_INVALID', message: expect.stringMatching(problem) })
  expect(() => checkAgreement({ ...agreement, ...change })).toThrow(refuse)
})

test('one key in two encodings is one key', () => {
  const [key] = party('auditor').keys
  const wire = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const blob = Buffer.concat([wire(Buffer.from('ssh-ed25519')), wire(Buffer.from(key?.publicKey ?? '', 'base64'))]).toString('base64')
  const change = withParty('notary', { keys: [{ kind: 'sshsig', publicKey: `ssh-ed25519 ${blob}` }] })
  expect(agreementProblems({ ...agreement, ...change })).toEqual([expect.stringMatching(/each signing key once/)])
})

test('an organisation that holds enough shares to open alone is refused, however it is spelt', () => {
  const names = ['Same AG', ' same  ag', 'SAME AG']
  const owned = parties.map((one, index) =>
    one.role === 'custodian' && index >= parties.length - 3 ? { ...one, organisation: names[index % 3] ?? '' } : one,
  )
  const loose = withPolicy({ custodianOrganisationsMin: 1 })
  expect(agreementProblems({ ...agreement, ...loose, parties: owned })).toEqual([
    expect.stringMatching(/fewer than 3 shares with one organisation, got 3/),
  ])
})

test.for([
  ['seat', standing('CH', 'CH')],
  ['control', standing('AT', 'CH')],
] as const)('where two countries must agree, three custodians of one %s are refused', ([, place]) => {
  const moved = parties.map((one, index) => (one.role === 'custodian' && index >= parties.length - 3 ? { ...one, standing: place } : one))
  const two = { ...agreement, ...withPolicy({ custodianCountriesMin: 2 }), parties: moved }
  expect(agreementProblems(two)).toContainEqual(expect.stringMatching(/fewer than 3 shares with one (?:country|control)/))
  const one = { ...agreement, ...withPolicy({ custodianCountriesMin: 1 }), parties: moved }
  expect(agreementProblems(one)).toEqual([])
})

test('control counts as much as the seat: a subsidiary of an excluded country has no vote', () => {
  const moved = parties.map((one) => (one.role === 'custodian' ? { ...one, standing: standing(one.standing.country, 'US') } : one))
  expect(agreementProblems({ ...agreement, parties: moved })).toContainEqual(expect.stringMatching(/who may vote, got 0/))
})

test('a refusal names at most eight problems and counts the others', () => {
  const empty = { ...agreement, parties: parties.map((one) => ({ ...one, recipient: null })) }
  expect(() => checkAgreement(empty)).toThrow(/and 1 more$/)
})

test('an agreement lacks the signature of whoever must sign and did not: the agent only once it is registered', () => {
  const names = (...roles: readonly Party['role'][]) => parties.filter((one) => roles.includes(one.role)).map((one) => one.party)
  const signed = (signedBy: readonly string[]) => ({ body: agreement, digest: digestOf(agreement), bytes: new Uint8Array(0), signedBy })
  const bound = names('depositor', 'beneficiary')
  const all = [...bound, ...names('agent')]
  expect(() => requireSignatures(signed(bound), { agent: false })).not.toThrow()
  expect(() => requireSignatures(signed(all), { agent: true })).not.toThrow()
  for (const missing of all) {
    const others = signed(parties.map((one) => one.party).filter((name) => name !== missing))
    expect(() => requireSignatures(others, { agent: true }), missing).toThrow(
      expect.objectContaining({ code: 'SIGNATURE_INVALID', message: expect.stringMatching(new RegExp(`signed by ${missing}$`)) }),
    )
  }
})
