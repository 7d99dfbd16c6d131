// The rules between the fields of an agreement. Every party's client asks them before it signs: what is wrong here cannot be put right
// on the day of a release. What the release conditions demand of each other is asked in src/release.
import { EscrowError } from '../core/errors.js'
import { parsePublicKey } from '../crypto/signature.js'
import { parseRecipient } from '../crypto/recipient.js'
import { fingerprintOfSshKey } from '../crypto/sshsig.js'
import type { Agreement, Party, PartyKey } from './agreement.js'
import { checkpointPolicy } from './checkpoint.js'
import { Words } from './ids.js'
import { scheduleProblem } from './schedule.js'

/** Beyond the threshold, so many custodians may be lost before the vault is (DESIGN section 5). */
const spareCustodiansMin = 2
/** Problems that one refusal spells out. */
const problemsShown = 8

/**
 * Refuse an agreement that contradicts itself or that nobody could carry out.
 *
 * @param agreement - of the right types already; its content is attacker-controlled.
 * @throws EscrowError `AGREEMENT_INVALID` with every problem in words, up to eight.
 *
 * Source: docs/formats/agreement.md, "Rules".
 */
export function checkAgreement(agreement: Agreement): void {
  const problems = agreementProblems(agreement)
  if (problems.length === 0) return
  const more = problems.length > problemsShown ? `; and ${problems.length - problemsShown} more` : ''
  throw new EscrowError('AGREEMENT_INVALID', `${problems.slice(0, problemsShown).join('; ')}${more}`, {
    details: { problems: problems.length },
  })
}

/**
 * Everything that is wrong with an agreement.
 *
 * @returns one sentence per problem; empty when there is none.
 */
export function agreementProblems(agreement: Agreement): readonly string[] {
  return [
    ...frameProblems(agreement),
    ...partyProblems(agreement.parties),
    ...roleProblems(agreement.parties),
    ...vaultProblems(agreement),
    ...sourceProblems(agreement),
    ...jurisdictionProblems(agreement),
    ...logProblems(agreement),
  ]
}

function frameProblems(agreement: Agreement): readonly string[] {
  const { version, previous, createdAt, endsAt } = agreement
  return [
    ...unless(
      (version === 1) === (previous === null),
      `expected version 1 without and every later one with a previous digest, got version ${version}`,
    ),
    ...unless(endsAt > createdAt, `expected an end after ${createdAt}, got ${endsAt}`),
    ...unless(isPlain(agreement.title), 'expected a title without control characters'),
  ]
}

function partyProblems(parties: readonly Party[]): readonly string[] {
  const recipients = parties.flatMap((party) => [party.recipient, party.recoveryRecipient].filter((one) => one !== null))
  return [
    ...repeats(
      'party',
      parties.map((party) => party.party),
    ),
    ...repeats(
      'signing key',
      parties.flatMap((party) => party.keys.map(keyName)),
    ),
    ...repeats('recipient', recipients),
    ...recipients.flatMap((recipient) => recipientProblem(recipient)),
    ...parties.flatMap((party) => onePartyProblems(party)),
  ]
}

function onePartyProblems(party: Party): readonly string[] {
  const { foreignCapitalLargestPercent: largest, foreignCapitalTotalPercent: total } = party.standing
  return [
    ...unless(party.role === 'arbiter' || party.recipient !== null, `expected a recipient for ${party.party}; only an arbiter needs none`),
    ...unless(
      party.recoveryRecipient === null || party.role === 'beneficiary',
      `expected a recovery recipient for beneficiaries only, got one for ${party.party}`,
    ),
    ...unless(
      largest <= total,
      `expected the largest foreign holder of ${party.party} to hold at most the total of ${total} %, got ${largest} %`,
    ),
    ...unless(isPlain(party.name) && isPlain(party.organisation), `expected names without control characters for ${party.party}`),
    ...party.keys.flatMap((key) => keyProblem(party, key)),
  ]
}

function roleProblems(parties: readonly Party[]): readonly string[] {
  const count = (role: Party['role']) => parties.filter((party) => party.role === role).length
  return [
    ...unless(count('depositor') === 1, `expected exactly one depositor, got ${count('depositor')}`),
    ...unless(count('agent') === 1, `expected exactly one agent, got ${count('agent')}`),
    ...unless(count('arbiter') <= 1, `expected at most one arbiter, got ${count('arbiter')}`),
    ...unless(count('beneficiary') >= 1, 'expected at least one beneficiary, got none'),
  ]
}

function vaultProblems({ vault, parties }: Agreement): readonly string[] {
  const { threshold, custodians, epochs } = vault
  const indices = custodians.map((custodian) => custodian.index)
  const partyRecipients = new Set(parties.flatMap((party) => [party.recipient, party.recoveryRecipient]))
  return [
    ...unless(
      custodians.length - threshold >= spareCustodiansMin,
      `expected at least ${threshold + spareCustodiansMin} custodians for a threshold of ${threshold}, got ${custodians.length}`,
    ),
    ...unless(
      new Set(indices).size === indices.length && Math.max(...indices) === indices.length,
      `expected custodians with the indices 1 to ${indices.length}, each once`,
    ),
    ...repeats(
      'custodian',
      custodians.map((custodian) => custodian.party),
    ),
    ...custodians.flatMap((custodian) => custodianProblem(custodian.party, parties)),
    ...repeats(
      'epoch',
      epochs.map((epoch) => String(epoch.epoch)),
    ),
    ...repeats(
      'vault recipient',
      epochs.map((epoch) => epoch.recipient),
    ),
    ...epochs.flatMap(({ epoch, recipient, commitments }) => [
      ...recipientProblem(recipient),
      ...unless(!partyRecipients.has(recipient), `expected a vault recipient of its own for epoch ${epoch}, got that of a party`),
      // One commitment more raises the polynomial's degree: t shares would no longer be enough.
      ...unless(commitments.length === threshold, `expected ${threshold} commitments in epoch ${epoch}, got ${commitments.length}`),
    ]),
  ]
}

function custodianProblem(name: string, parties: readonly Party[]): readonly string[] {
  const role = parties.find((party) => party.party === name)?.role
  if (role === undefined) return [`expected custodian ${name} among the parties`]
  return unless(role === 'custodian', `expected ${name} to be a custodian, got a ${role}`)
}

function sourceProblems({ sources, vault }: Agreement): readonly string[] {
  return [
    ...repeats(
      'source',
      sources.map((source) => source.source),
    ),
    ...sources.flatMap(({ source, mode, remoteDigest }) =>
      unless((mode === 'pull') === (remoteDigest !== null), `expected a remote for ${source} exactly when it is pulled, got mode ${mode}`),
    ),
    ...sources.flatMap(({ source, schedule }) => {
      const problem = scheduleProblem(schedule)
      return problem === null ? [] : [`schedule of ${source}: ${problem}`]
    }),
    ...unless(vault.epochs.length >= 2, 'expected a reserve epoch beside the current one'),
  ]
}

/** "A policy nobody could satisfy is refused when made" (DESIGN section 8); and no organisation may hold enough shares to open alone. */
function jurisdictionProblems({ jurisdiction, vault, parties }: Agreement): readonly string[] {
  const { storeCountries, approverCountries, custodianCountriesMin, custodianOrganisationsMin } = jurisdiction
  const names = new Set(vault.custodians.map((custodian) => custodian.party))
  const custodians = parties.filter((party) => names.has(party.party))
  const eligible = custodians.filter(({ standing }) => {
    return approverCountries.length === 0 || (approverCountries.includes(standing.country) && approverCountries.includes(standing.control))
  })
  const spread = (pick: (party: Party) => string) => new Set(eligible.map(pick)).size
  return [
    ...repeats('store country', storeCountries),
    ...unless(
      eligible.length >= vault.threshold,
      `approverCountries: expected ${vault.threshold} custodians who may vote, got ${eligible.length}`,
    ),
    ...atLeast(
      'custodianCountriesMin (seat)',
      custodianCountriesMin,
      spread((party) => party.standing.country),
    ),
    ...atLeast(
      'custodianCountriesMin (control)',
      custodianCountriesMin,
      spread((party) => party.standing.control),
    ),
    ...atLeast(
      'custodianOrganisationsMin',
      custodianOrganisationsMin,
      spread((party) => plainName(party.organisation)),
    ),
    ...concentrationProblems(custodians, vault.threshold, (party) => plainName(party.organisation), 'organisation'),
    ...(custodianCountriesMin < 2 ? [] : concentrationProblems(custodians, vault.threshold, (party) => party.standing.country, 'country')),
    ...(custodianCountriesMin < 2 ? [] : concentrationProblems(custodians, vault.threshold, (party) => party.standing.control, 'control')),
  ]
}

function concentrationProblems(
  custodians: readonly Party[],
  threshold: number,
  pick: (party: Party) => string,
  what: string,
): readonly string[] {
  const shares = new Map<string, number>()
  for (const custodian of custodians) shares.set(pick(custodian), (shares.get(pick(custodian)) ?? 0) + 1)
  return [...shares].flatMap(([name, count]) =>
    unless(count < threshold, `expected fewer than ${threshold} shares with one ${what}, got ${count} with ${JSON.stringify(name)}`),
  )
}

function atLeast(rule: string, expected: number, got: number): readonly string[] {
  return unless(got >= expected, `${rule}: expected at least ${expected} among the custodians who may vote, got ${got}`)
}

/** Spelling in case, width and spaces makes no other organisation. */
function plainName(name: string): string {
  return name.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
}

function logProblems({ log }: Agreement): readonly string[] {
  return [
    ...problemOf(() => checkpointPolicy(log), 'log'),
    ...unless(isPlain(log.origin) && !log.origin.includes('\n'), 'log: expected an origin in one line'),
  ]
}

function keyProblem(party: Party, key: PartyKey): readonly string[] {
  return problemOf(
    () => (key.kind === 'ed25519' ? parsePublicKey(key.publicKey) : fingerprintOfSshKey(key.publicKey)),
    `key of ${party.party}`,
  )
}

function recipientProblem(recipient: string): readonly string[] {
  return problemOf(() => parseRecipient(recipient), 'recipient')
}

function problemOf(check: () => unknown, what: string): readonly string[] {
  try {
    check()
    return []
  } catch (error) {
    if (error instanceof EscrowError) return [`${what}: ${error.message}`]
    throw error
  }
}

/** The same key in both encodings is one key: an `ssh-ed25519` blob ends with the 32 raw bytes. */
function keyName(key: PartyKey): string {
  if (key.kind === 'ed25519') return key.publicKey
  const [type, blob = ''] = key.publicKey.split(' ')
  return type === 'ssh-ed25519' ? Buffer.from(blob, 'base64').subarray(-32).toString('base64') : blob
}

function repeats(what: string, names: readonly string[]): readonly string[] {
  const seen = new Set<string>()
  const twice = names.filter((name) => seen.has(name) || !seen.add(name))
  return [...new Set(twice)].map((name) => `expected each ${what} once, got ${name} twice`)
}

function isPlain(text: string): boolean {
  return Words.safeParse(text).success
}

function unless(holds: boolean, problem: string): readonly string[] {
  return holds ? [] : [problem]
}
