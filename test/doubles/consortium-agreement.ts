// What the consortium of the release tests has agreed upon: who they are, the vault, and the release part that most tests use.
import { sha256Hex } from '../../src/crypto/digest.js'
import type { SigningKey } from '../../src/crypto/signature.js'
import type { Agreement, Role } from '../../src/format/agreement.js'

const countries = { c1: 'CH', c2: 'DE', c3: 'FR', c4: 'AT', c5: 'NL' } as const
const roles: Readonly<Record<string, Role>> = {
  vendor: 'depositor',
  alpha: 'beneficiary',
  beta: 'beneficiary',
  c1: 'custodian',
  c2: 'custodian',
  c3: 'custodian',
  c4: 'custodian',
  c5: 'custodian',
  legal1: 'approver',
  legal2: 'approver',
  guardian: 'approver',
  ministry: 'supervisor',
  arbiter: 'arbiter',
  agent: 'agent',
}

const bech32 = '023456789acdefghjklmnpqrstuvwxyz'
/** A recipient in form; nobody has its identity. */
export const recipientOf = (name: string): string =>
  `age1${[...Buffer.from(sha256Hex(Buffer.from(name)).slice(0, 58))].map((byte) => bech32[byte % 32]).join('')}`

/** The title of custody that the release part names. */
export const custodyText = { basis: 'fiduciary-ownership' } as const

/** The release part that most tests use: two conditions, one of them by order; legal must give one of two. */
export const releasePart = {
  type: 'escrow/release-policy/v1',
  calendars: [
    { calendar: 'zurich', timeZone: 'Europe/Zurich', weekend: [6, 7], holidays: ['2026-12-25', '2027-01-01', '2027-01-02', '2028-01-03'] },
  ],
  calendar: 'zurich',
  conditions: [
    { condition: 'insolvent', kind: 'insolvency', evidence: ['court-register-extract'], cureDays: 10, approvalGroups: legalGroup() },
    { condition: 'order', kind: 'shutdown-order', approvalGroups: legalGroup() },
    { condition: 'consent', kind: 'depositor-consent', approvalGroups: legalGroup() },
    { condition: 'silent', kind: 'missed-deposits', automatic: true },
  ],
  guardians: ['guardian'],
  holdSigners: ['ministry', 'arbiter'],
  licence: { scope: 'maintain and operate' },
  title: custodyText,
} as const

function legalGroup() {
  return [{ name: 'legal', parties: ['legal1', 'legal2'], k: 1, rule: 'any-deny' }] as const
}

/** What an agreement of the consortium is made of. */
export interface ConsortiumWish {
  readonly release: unknown
  readonly name: string
  readonly keyOf: (party: string) => SigningKey
}

/** The agreement, not parsed yet: tests put in what no schema would let through. */
export function consortiumAgreement({ release, name, keyOf }: ConsortiumWish): Agreement {
  const vault = (epoch: number) => ({
    epoch,
    recipient: recipientOf(`vault ${epoch} ${name}`),
    commitments: Array(3).fill('ab'.repeat(32)),
  })
  const custodians = ['c1', 'c2', 'c3', 'c4', 'c5']
  const made = {
    type: 'escrow/agreement/v1',
    agreement: 'agr_aaaaaaaaaaaaaaaaaaaa',
    version: 1,
    previous: null,
    title: `Kernel of the vendor, agreement ${name}`,
    origin: 'escrow.example.ch',
    createdAt: '2026-11-01T00:00:00.000Z',
    endsAt: '2028-10-31T00:00:00.000Z',
    retentionDays: 3650,
    parties: Object.entries(roles).map(([party, role]) => partyOf(party, role, keyOf(party))),
    vault: {
      suite: 'x25519-rfc9591',
      threshold: 3,
      custodians: custodians.map((party, at) => ({ index: at + 1, party })),
      epochs: [vault(1), vault(2)],
    },
    sources: [
      {
        source: 'kernel',
        mode: 'sealed',
        remoteDigest: null,
        schedule: { startsAt: '2026-11-01T00:00:00.000Z', everyHours: 24, graceHours: 6 },
        fullEveryDays: 30,
        chainLengthMax: 120,
      },
    ],
    jurisdiction: {
      storeCountries: ['CH'],
      storeControlExcluded: ['US', 'CN'],
      custodianCountriesMin: 2,
      custodianOrganisationsMin: 3,
      approverCountries: ['CH', 'DE', 'FR', 'AT', 'NL'],
    },
    log: { origin: 'log.example.ch', key: 'log', witnessQuorum: 0, witnesses: [] },
    tagSecretDigest: 'cd'.repeat(32),
    release,
  }
  return made as unknown as Agreement
}

function partyOf(party: string, role: Role, key: SigningKey): unknown {
  const country = countries[party as keyof typeof countries] ?? 'CH'
  return {
    party,
    role,
    name: `Person ${party}`,
    organisation: `House ${party}`,
    standing: { country, control: country, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 },
    keys: [{ kind: 'ed25519', publicKey: key.publicKey }],
    recipient: role === 'arbiter' ? null : recipientOf(party),
    recoveryRecipient: party === 'alpha' ? recipientOf('alpha recovery') : null,
  }
}
