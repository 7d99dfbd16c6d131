/**
 * Who may vote on a release, as people rather than accounts: one person has one vote however many parties of the agreement stand
 * for it, the requester and its organisation have none, and the jurisdiction policy bars whom it excludes. Nothing here counts
 * votes (quorum.ts does) or trusts a row: it reads the signed agreement.
 */
import type { Agreement, Party } from '../../format/agreement.js'
import { verdictOnParty } from '../../escrow/jurisdiction.js'
import type { ApprovalGroup, GroupRule } from './release-policy.js'

/** The name of the body that holds the key shares; no approval group may take it. */
export const custodianBody = 'custodians'

/** Why somebody on the list has no vote. */
export type Bar = 'requester' | 'jurisdiction' | 'unavailable' | 'other-body'

/** One person with all its accounts. */
export interface Voter {
  /** The first of its parties in the order of the agreement: names the person in verdicts. */
  readonly person: string
  readonly parties: readonly string[]
  readonly organisations: readonly string[]
  readonly countries: readonly string[]
  readonly controls: readonly string[]
  readonly bar: Bar | null
}

/** Custodians or one approval group. */
export interface Body {
  readonly name: string
  readonly need: number
  readonly rule: GroupRule | 'threshold'
  readonly voters: readonly Voter[]
  /** Different countries of seat, and of control, and different organisations that its approvals must come from. */
  readonly countriesMin: number
  readonly organisationsMin: number
}

/** What an electorate is made from; all of it is in the agreement that the submission froze. */
export interface Roster {
  readonly parties: Agreement['parties']
  readonly vault: Pick<Agreement['vault'], 'threshold' | 'custodians'>
  readonly jurisdiction: Agreement['jurisdiction']
  readonly approvalGroups: readonly ApprovalGroup[]
}

/** Whose votes do not count for a certain request. */
export interface Exclusions {
  /** Everybody who asked for this release: beneficiaries, or the registrants of an order. */
  readonly requesters: readonly string[]
  /** Parties that lost their share, their key or their standing since; empty when none. */
  readonly unavailable?: readonly string[]
}

/**
 * The bodies whose approval a release needs.
 *
 * @returns the custodians first, then the approval groups in their order. A person on the lists of two bodies votes in the first alone.
 */
export function electorateOf(roster: Roster, exclusions: Exclusions): readonly Body[] {
  const persons = personsOf(roster.parties)
  const taken = new Set<string>()
  const { custodianCountriesMin, custodianOrganisationsMin } = roster.jurisdiction
  const custodians = roster.vault.custodians.map((entry) => entry.party)
  const makeBody = (members: readonly string[]) => votersOf(members, { roster, exclusions, persons, taken })
  const bodies: Body[] = [
    {
      name: custodianBody,
      need: roster.vault.threshold,
      rule: 'threshold',
      voters: makeBody(custodians),
      countriesMin: custodianCountriesMin,
      organisationsMin: custodianOrganisationsMin,
    },
  ]
  for (const group of roster.approvalGroups) {
    const voters = makeBody(group.parties)
    bodies.push({ name: group.name, need: group.k, rule: group.rule, voters, countriesMin: 1, organisationsMin: 1 })
  }
  return bodies
}

/** The voters of a body who have a vote. */
export function eligible(body: Body): readonly Voter[] {
  return body.voters.filter((voter) => voter.bar === null)
}

/** Whether a set of voters is enough and stands far enough apart. Adding a voter never makes a set insufficient. */
export function suffices(body: Body, voters: readonly Voter[]): boolean {
  const spread = (pick: (voter: Voter) => readonly string[]) => new Set(voters.flatMap(pick)).size
  return (
    voters.length >= body.need &&
    spread((voter) => voter.countries.slice(0, 1)) >= body.countriesMin &&
    spread((voter) => voter.controls.slice(0, 1)) >= body.countriesMin &&
    spread((voter) => voter.organisations.slice(0, 1)) >= body.organisationsMin
  )
}

/** Whether two parties are in the same hands: the same person, organisation or key. */
export function underOneControl(parties: readonly Party[], left: string, right: string): boolean {
  const persons = personsOf(parties)
  return persons.get(left) === persons.get(right) || organisationOf(parties, left) === organisationOf(parties, right)
}

/**
 * Which person each party stands for. Two parties are one person when they share a signing key (in either encoding), a recipient, or
 * organisation and name, whatever their spelling in case, width and spaces.
 *
 * @returns party to the person's first party; every party of the list has an entry.
 */
export function personsOf(parties: readonly Party[]): ReadonlyMap<string, string> {
  const known = knownPersons.get(parties)
  if (known !== undefined) return known
  const persons = groupPersons(parties)
  knownPersons.set(parties, persons)
  return persons
}

/** Votes are counted again at every turn of five hundred requests; the parties of a signed agreement never change. */
const knownPersons = new WeakMap<readonly Party[], ReadonlyMap<string, string>>()

function groupPersons(parties: readonly Party[]): ReadonlyMap<string, string> {
  const persons = new Map<string, string>()
  const owners = new Map<string, string>()
  for (const party of parties) {
    persons.set(party.party, party.party)
    for (const mark of marksOf(party)) {
      const owner = owners.get(mark)
      if (owner === undefined) owners.set(mark, party.party)
      else merge(persons, owner, party.party)
    }
  }
  return persons
}

/** One spelling for what people read as the same name. */
export function plainName(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
}

interface VoterRules {
  readonly roster: Roster
  readonly exclusions: Exclusions
  readonly persons: ReadonlyMap<string, string>
  /** Persons who vote in an earlier body; grows. */
  readonly taken: Set<string>
}

function votersOf(members: readonly string[], rules: VoterRules): readonly Voter[] {
  const accounts = new Map<string, Party[]>()
  for (const member of new Set(members)) {
    const party = rules.roster.parties.find((candidate) => candidate.party === member)
    const person = rules.persons.get(member)
    if (party !== undefined && person !== undefined) accounts.set(person, [...(accounts.get(person) ?? []), party])
  }
  const voters = [...accounts].map(([person, parties]) => voterOf(person, parties, rules))
  for (const voter of voters) rules.taken.add(voter.person)
  return voters
}

function voterOf(person: string, parties: readonly Party[], rules: VoterRules): Voter {
  return {
    person,
    parties: parties.map((party) => party.party),
    organisations: parties.map((party) => plainName(party.organisation)),
    countries: parties.map((party) => party.standing.country),
    controls: parties.map((party) => party.standing.control),
    bar: barOf(person, parties, rules),
  }
}

function barOf(person: string, parties: readonly Party[], rules: VoterRules): Bar | null {
  const { roster, exclusions, persons, taken } = rules
  if (taken.has(person)) return 'other-body'
  const asked = exclusions.requesters.some(
    (requester) =>
      persons.get(requester) === person ||
      parties.some((party) => plainName(party.organisation) === organisationOf(roster.parties, requester)),
  )
  if (asked) return 'requester'
  if (parties.some((party) => exclusions.unavailable?.includes(party.party) === true)) return 'unavailable'
  return parties.every((party) => verdictOnParty(party, roster.jurisdiction).length === 0) ? null : 'jurisdiction'
}

function organisationOf(parties: readonly Party[], slug: string): string | null {
  const party = parties.find((candidate) => candidate.party === slug)
  return party === undefined ? null : plainName(party.organisation)
}

function marksOf(party: Party): readonly string[] {
  const marks = party.keys.map((key) => `key ${key.kind === 'ed25519' ? key.publicKey : plainSshKey(key.publicKey)}`)
  marks.push(`name ${plainName(party.organisation)}\n${plainName(party.name)}`)
  for (const recipient of [party.recipient, party.recoveryRecipient]) if (recipient !== null) marks.push(`recipient ${recipient}`)
  return marks
}

/** An `ssh-ed25519` blob ends with the 32 bytes of the raw key: the same key in two encodings is one key. */
function plainSshKey(line: string): string {
  const [type = '', blob = ''] = line.split(' ')
  return type === 'ssh-ed25519' ? Buffer.from(blob, 'base64').subarray(-32).toString('base64') : blob
}

/** Parties of an agreement are few (1000), so relabelling is cheaper than a forest is to read. */
function merge(persons: Map<string, string>, left: string, right: string): void {
  const from = persons.get(right) ?? right
  const to = persons.get(left) ?? left
  for (const [party, person] of persons) if (person === from) persons.set(party, to)
}
