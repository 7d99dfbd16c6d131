// The attackers of a vote, each with a test. Every vote is a signed document, verified again when it is counted.
import { describe, expect, test } from 'vitest'
import type { Agreement, Party } from '../../../src/format/agreement.js'
import { personsOf } from '../../../src/release/rules/electorate.js'
import { tallyVotes } from '../../../src/release/rules/quorum.js'
import { Consortium, type Circumstances } from '../../doubles/consortium.js'
import { dayMs, later } from '../../doubles/moments.js'
import { open, Proceedings } from '../../doubles/proceedings.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

/** Everything a custodian might be shown instead of the request in front of it. */
const substitutions: readonly (readonly [string, (story: Proceedings) => Partial<ReturnType<Proceedings['cover']>>])[] = [
  ['another request', () => ({ requestDigest: 'ee'.repeat(32) })],
  ['another agreement', () => ({ agreement: 'ee'.repeat(32) })],
  ['another epoch', () => ({ epoch: 2 })],
  ['another recipient', (story) => ({ recipients: [story.house.party('beta').recipient ?? ''] })],
  ['one recipient more', (story) => ({ recipients: [...story.frame.recipients, story.house.party('beta').recipient ?? ''] })],
]

describe('an approval counts only for exactly what was asked', () => {
  test.for(substitutions)('an approval of %s is refused', ([, change]) => {
    const story = open()
    story.reachApproval()
    const covers = [{ ...story.cover(), ...change(story) }]
    const how = { agreement: covers[0]?.agreement ?? '' }
    expect(refusal(() => story.say('approval', 'c1', { covers, reason: 'Yes.' }, how))).toBe('STATEMENT_INVALID')
  })

  test.for([
    ['signed by nobody pinned', { key: 'stranger' }, 'SIGNATURE_INVALID'],
    ['signed by another party in its name', { party: 'c1', key: 'c2' }, 'SIGNATURE_INVALID'],
    ['for another service', { origin: 'elsewhere.example' }, 'STATEMENT_INVALID'],
    ['that expires before the decision can fall', { lifeDays: 2 }, 'STATEMENT_EXPIRED'],
    ['dated tomorrow', { at: new Date('2027-06-01T00:00:00.000Z') }, 'STATEMENT_INVALID'],
  ] as const)('an approval %s is refused', ([, how, code]) => {
    const story = open()
    story.reachApproval()
    expect(refusal(() => story.approve('c1', how as Circumstances))).toBe(code)
    expect(story.progress.votes).toEqual([])
  })

  test('an approval without a reason is refused', () => {
    const story = open()
    story.reachApproval()
    expect(refusal(() => story.say('approval', 'c1', { covers: [story.cover()], reason: ' \n' }))).toBe('STATEMENT_INVALID')
  })

  test('a statement of another type does not pass for a vote', () => {
    const story = open()
    story.reachApproval()
    const digest = story.house.sign('heartbeat', 'vendor', {}, { at: story.now })
    expect(refusal(() => story.give({ kind: 'statement', digest }))).toBe('STATEMENT_INVALID')
  })
})

describe('who has a vote', () => {
  test.for(['alpha', 'beta', 'vendor', 'agent', 'arbiter', 'ministry', 'guardian'])('%s, who is in no body, has none', (party) => {
    const story = open()
    story.reachApproval()
    expect(refusal(() => story.approve(party))).toBe('SIGNER_REFUSED')
  })

  test('a custodian of the house that asks has no vote', () => {
    const house = houseWith('c1', { organisation: '  HOUSE   alpha ' })
    const story = open(house)
    story.reachApproval()
    expect(refusal(() => story.approve('c1'))).toBe('SIGNER_REFUSED')
    for (const party of ['c2', 'c3', 'legal1']) story.approve(party)
    expect(story.state).toBe('approval')
    story.approve('c4')
    expect(story.state).toBe('coolingOff')
  })

  test('a custodian whom the jurisdiction policy excludes by control has no vote, wherever it sits', () => {
    const standing = { country: 'CH', control: 'US', foreignCapitalLargestPercent: 100, foreignCapitalTotalPercent: 100 }
    const story = open(houseWith('c1', { standing }))
    story.reachApproval()
    expect(refusal(() => story.approve('c1'))).toBe('SIGNER_REFUSED')
  })

  test('three custodians of one country are no quorum where two countries are demanded', () => {
    const story = open(new Consortium({ change: (agreement) => changed(agreement, ['c1', 'c2', 'c3'], { standing: standingIn('DE') }) }))
    story.reachApproval()
    for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party)
    expect(story.state).toBe('approval')
    story.approve('c4')
    expect(story.state).toBe('coolingOff')
  })
})

describe('one person has one vote', () => {
  const twins: readonly (readonly [string, (house: Consortium) => Partial<Party>])[] = [
    ['the same key', (house) => ({ keys: [...house.party('c2').keys, ...house.party('c1').keys] })],
    ['the same key as an SSH key', (house) => ({ keys: [...house.party('c2').keys, { kind: 'sshsig', publicKey: sshLine(house, 'c1') }] })],
    ['the same recipient', (house) => ({ recipient: house.party('c1').recipient })],
    ['the same name in another spelling', () => ({ name: 'PERSON  Ｃ1', organisation: ' house c1' })],
  ]
  test.for(twins)('two accounts with %s count once', ([, twin]) => {
    const house = houseWith('c2', twin(new Consortium()))
    expect(personsOf(house.agreement.parties).get('c2')).toBe('c1')
    const story = open(house)
    story.reachApproval()
    for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party)
    expect(story.state).toBe('approval')
    const { bodies } = tallyVotes(story.progress, story.frame, { at: story.now, verify: house.verify })
    expect(bodies[0]?.approvals).toEqual(['c1', 'c3'])
  })

  test('two approvals of one custodian count once, and a replayed one leaves no trace', () => {
    const story = open()
    story.reachApproval()
    const first = story.approve('c1')
    story.approve('c1')
    story.approve('c2')
    story.approve('legal1')
    const before = story.progress
    story.give({ kind: 'statement', digest: first })
    expect(story.progress).toBe(before)
    expect(story.state).toBe('approval')
  })

  test('a refusal by either account of a person stands against both', () => {
    const story = open(houseWith('c2', { name: 'Person c1', organisation: 'House c1' }))
    story.reachApproval()
    story.approve('c1')
    story.refuse('c2')
    const { bodies } = tallyVotes(story.progress, story.frame, { at: story.now, verify: story.house.verify })
    expect(bodies[0]).toMatchObject({ approvals: [], refusals: ['c1'] })
  })
})

test('a custodian who also sits in a group votes once, as custodian', () => {
  const approvalGroups = [{ name: 'legal', parties: ['c1', 'legal1', 'legal2'], k: 2, rule: 'any-deny' }]
  const conditions = releasePart.conditions.map((condition) => ({ ...condition, approvalGroups }))
  const story = open(new Consortium({ release: { ...releasePart, conditions } }))
  story.reachApproval()
  for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party)
  expect(story.state).toBe('approval')
  story.approve('legal2')
  expect(story.state).toBe('coolingOff')
})

describe('refusals and silence', () => {
  test('a refusal cancels an approval, in whichever order the operator records them', () => {
    const story = open()
    story.reachApproval()
    const approval = story.house.sign('approval', 'c1', { covers: [story.cover()], reason: 'Yes.' }, { at: story.now })
    story.refuse('c1')
    expect(refusal(() => story.give({ kind: 'statement', digest: approval }))).toBe('SIGNER_REFUSED')
  })

  test('three custodians who refuse leave too few: the request is rejected at once', () => {
    const story = open()
    story.reachApproval()
    story.refuse('c1')
    story.refuse('c2')
    expect(story.state).toBe('approval')
    story.refuse('c3')
    expect(story.progress.state).toMatchObject({ name: 'rejected', reason: 'refused' })
  })

  test('one refusal refuses in a body of rule any-deny, though another member approves', () => {
    const story = open()
    story.reachApproval()
    story.approve('legal1')
    story.refuse('legal2')
    expect(story.state).toBe('rejected')
  })

  test('a body of rule majority needs more than half to refuse', () => {
    const approvalGroups = [{ name: 'board', parties: ['legal1', 'legal2', 'guardian'], k: 2, rule: 'majority' }]
    const conditions = releasePart.conditions.map((condition) => ({ ...condition, approvalGroups }))
    const story = open(new Consortium({ release: { ...releasePart, guardians: [], conditions } }))
    story.reachApproval()
    story.refuse('legal1')
    expect(story.state).toBe('approval')
    story.refuse('legal2')
    expect(story.state).toBe('rejected')
  })

  test('t - 1 custodians and all of legal wait until silence has refused', () => {
    const story = open()
    story.reachApproval()
    for (const party of ['c1', 'c2', 'legal1', 'legal2']) story.approve(party)
    story.waitOut()
    expect(story.progress.state).toMatchObject({ name: 'expired', reason: 'silence' })
  })

  test.for([
    [-1, 'coolingOff'],
    [0, 'expired'],
    [1, 'expired'],
  ] as const)('the deciding vote %i ms from the end of the window leaves the request %s', ([offset, state]) => {
    const story = open()
    story.reachApproval()
    for (const party of ['c1', 'c2', 'legal1']) story.approve(party)
    const end = 'until' in story.progress.state ? story.progress.state.until : ''
    const signedAt = story.now
    story.now = later(new Date(end), offset)
    const outcome = refusal(() => story.approve('c3', { at: signedAt }))
    if (offset >= 0) {
      expect(outcome).toBe('REQUEST_STATE')
      story.give({ kind: 'clock' })
    }
    expect(story.state).toBe(state)
  })
})

describe('rows are an index, signatures the truth', () => {
  test('an operator who adds a vote to the rows stops the count instead of winning it', () => {
    const story = open()
    story.reachApproval()
    for (const party of ['c1', 'c2', 'legal1']) story.approve(party)
    const forged = story.house.sign('approval', 'c3', { covers: [story.cover()], reason: 'Yes.' }, { at: story.now, key: 'agent' })
    const votes = [...story.progress.votes, { digest: forged, round: 1 }]
    expect(refusal(() => tallyVotes({ ...story.progress, votes }, story.frame, { at: story.now, verify: story.house.verify }))).toBe(
      'SIGNATURE_INVALID',
    )
  })

  /** What is counted when a vote that nobody recorded stands in the rows. */
  const tallyWith = (story: Proceedings, digest: string, verify = story.house.verify) => {
    const votes = [...story.progress.votes, { digest, round: story.progress.round }]
    return tallyVotes({ ...story.progress, votes }, story.frame, { at: story.now, verify })
  }

  test.for(substitutions)('an operator who files an approval of %s with this request wins nothing', ([, change]) => {
    const story = open()
    story.reachApproval()
    for (const party of ['c1', 'c2', 'legal1']) story.approve(party)
    const covers = [{ ...story.cover(), ...change(story) }]
    const how = { at: story.now, agreement: covers[0]?.agreement ?? '' }
    const elsewhere = story.house.sign('approval', 'c3', { covers, reason: 'Yes.' }, how)
    const { verdict, bodies } = tallyWith(story, elsewhere)
    expect([verdict, bodies[0]?.approvals]).toEqual(['open', ['c1', 'c2']])
  })

  test('nor does one who files an approval for another service', () => {
    const story = open()
    story.reachApproval()
    for (const party of ['c1', 'c2', 'legal1']) story.approve(party)
    const matter = { covers: [story.cover()], reason: 'Yes.' }
    const counted = (origin: string) => tallyWith(story, story.house.sign('approval', 'c3', matter, { at: story.now, origin })).verdict
    expect([counted('elsewhere.example'), counted(story.frame.origin)]).toEqual(['open', 'approved'])
  })

  test('a vote that another statement answers for stops the count, and so does a row that names no vote', () => {
    const story = open()
    story.reachApproval()
    const approved = story.approve('c1')
    const { requestDigest, agreement } = story.cover()
    const refused = story.house.sign('refusal', 'c2', { covers: [{ requestDigest, agreement }], reason: 'No.' }, { at: story.now })
    const exchanged = (digest: string) => story.house.verify(digest === refused ? approved : digest)
    expect(refusal(() => tallyWith(story, refused, exchanged))).toBe('STATEMENT_INVALID')
    const heartbeat = story.house.sign('heartbeat', 'vendor', {}, { at: story.now })
    expect(refusal(() => tallyWith(story, heartbeat))).toBe('STATEMENT_INVALID')
  })

  test('a refusal does not lapse with its statement', () => {
    const story = open()
    story.reachApproval()
    const { requestDigest, agreement } = story.cover()
    const matter = { covers: [{ requestDigest, agreement }], reason: 'No.' }
    for (const party of ['c1', 'c2']) story.say('refusal', party, matter, { lifeDays: 1 })
    story.wait(2 * dayMs)
    expect(story.state).toBe('approval')
    story.say('refusal', 'c3', matter)
    expect(story.state).toBe('rejected')
  })

  test('an approval from before a veto is not taken after it', () => {
    const story = open()
    story.reachApproval()
    const early = story.house.sign('approval', 'c1', { covers: [story.cover()], reason: 'Yes.' }, { at: story.now })
    for (const party of ['c2', 'c3', 'c4', 'legal1']) story.approve(party)
    story.now = later(story.now, 1000)
    story.veto()
    expect(story.state).toBe('approval')
    expect(refusal(() => story.give({ kind: 'statement', digest: early }))).toBe('STATEMENT_INVALID')
    expect(refusal(() => story.approve('c1', { at: later(story.now, 1000) }))).toBeNull()
  })

  test('an operator who turns the copy of a refusal into noise does not make it vanish', () => {
    const story = open(new Consortium())
    story.reachApproval()
    const refused = story.refuse('legal1')
    const document = story.house.documents.get(refused)
    const payload = Buffer.from(document?.document.payload ?? [])
    payload[20] = (payload[20] ?? 0) ^ 1
    if (document !== undefined) story.house.documents.set(refused, { ...document, document: { ...document.document, payload } })
    expect(() => tallyVotes(story.progress, story.frame, { at: story.now, verify: story.house.verify })).toThrow()
  })

  test('approvals that were alive when the decision fell carry the release, even if they expire before the shares come', () => {
    const story = open()
    story.reachApproval()
    const end = 'until' in story.progress.state ? story.progress.state.until : ''
    for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party, { expiresAt: later(new Date(end), dayMs + 1) })
    story.waitOut()
    expect(story.state).toBe('releasing')
    story.wait(10 * dayMs)
    story.deliver('c1', 'c2', 'c3')
    expect(story.state).toBe('released')
  })

  test('approvals that expire during the cooling-off do not carry the decision', () => {
    const story = open()
    story.reachApproval()
    const end = 'until' in story.progress.state ? story.progress.state.until : ''
    for (const party of ['c1', 'c2', 'c3', 'legal1']) story.approve(party, { expiresAt: later(new Date(end), dayMs + 1) })
    expect(story.state).toBe('coolingOff')
    story.now = later(new Date(end), 2 * dayMs)
    story.give({ kind: 'clock' })
    expect(story.state).toBe('approval')
    expect(story.events.at(-1)).toMatchObject({ cause: { kind: 'quorum', verdict: 'lost' }, alarm: true })
  })
})

function changed(agreement: Agreement, parties: readonly string[], fields: Partial<Party>): Agreement {
  return { ...agreement, parties: agreement.parties.map((party) => (parties.includes(party.party) ? { ...party, ...fields } : party)) }
}

function houseWith(party: string, fields: Partial<Party>): Consortium {
  return new Consortium({ change: (agreement) => changed(agreement, [party], fields) })
}

function standingIn(country: string) {
  return { country, control: country, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 }
}

function sshLine(house: Consortium, party: string): string {
  const type = Buffer.from('ssh-ed25519')
  const key = Buffer.from(house.key(party).publicKey, 'base64')
  const size = (length: number): Buffer => Buffer.from([0, 0, 0, length])
  return `ssh-ed25519 ${Buffer.concat([size(11), type, size(32), key]).toString('base64')}`
}
