// A small consortium with real keys: every statement in the tests of a release is signed, and verified each time it is asked for.
import { sha256Hex } from '../../src/crypto/digest.js'
import { keyidOf, payloadSignedBy, signDocument, type SignedDocument } from '../../src/crypto/dsse.js'
import { signingKeyFromSeed, type SigningKey } from '../../src/crypto/signature.js'
import { Agreement, type Party, type Role } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { Statement } from '../../src/format/statement.js'
import { EscrowError } from '../../src/core/errors.js'
import { frameRequest, type EffectiveOrder } from '../../src/release/rules/request-frame.js'
import { submit, advance, type ReleaseInput } from '../../src/release/rules/release-request.js'
import type { VerifiedStatement, VerifyStatement } from '../../src/release/rules/quorum.js'
import type { Advance, ReleaseEvent, ReleaseProgress, RequestFrame } from '../../src/release/rules/release-state.js'
import { SeededEntropy } from './seeded-entropy.js'
import type { Matter, StatementName } from './statement-matter.js'

/** Monday, 10 o'clock in Zurich. */
export const monday = new Date('2026-11-23T09:00:00.000Z')
export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
export const later = (from: Date, ms: number): Date => new Date(from.getTime() + ms)

/** What a statement says beside its matter, where a test wants it otherwise. */
export interface Circumstances {
  readonly at?: Date
  readonly lifeDays?: number
  readonly expiresAt?: Date
  readonly agreement?: string
  readonly origin?: string
  readonly epoch?: number
  readonly party?: string
  /** Sign with another party's key. */
  readonly key?: string
}

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
const recipientOf = (name: string): string =>
  `age1${[...Buffer.from(sha256Hex(Buffer.from(name)).slice(0, 58))].map((byte) => bech32[byte % 32]).join('')}`

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

/** The consortium, its agreement, and the documents its members have signed. */
export class Consortium {
  readonly agreement: Agreement
  readonly digest: string
  readonly documents = new Map<string, { readonly document: SignedDocument; readonly signer: string }>()
  readonly #keys = new Map<string, SigningKey>()
  readonly #entropy = new SeededEntropy('consortium')
  readonly verify: VerifyStatement = (digest) => this.#verify(digest)

  constructor(options: { readonly release?: unknown; readonly change?: (agreement: Agreement) => unknown; readonly name?: string } = {}) {
    const made = this.#agreement(options.release ?? releasePart, options.name ?? 'one')
    this.agreement = Agreement.parse(options.change?.(made) ?? made)
    this.digest = sha256Hex(canonicalize(this.agreement))
  }

  party(name: string): Party {
    const found = this.agreement.parties.find((party) => party.party === name)
    if (found === undefined) throw new Error(`no party ${name}`)
    return found
  }

  /** Sign a statement and post it. @returns its digest. */
  sign<Name extends StatementName>(name: Name, party: string, matter: Matter<Name>, how: Circumstances = {}): string {
    const at = how.at ?? monday
    const expiresAt = how.expiresAt ?? later(at, (how.lifeDays ?? 300) * dayMs)
    const statement = Statement.parse({
      type: `escrow/statement/${name}/v1`,
      origin: how.origin ?? this.agreement.origin,
      agreement: how.agreement ?? this.digest,
      epoch: how.epoch ?? 1,
      party: how.party ?? party,
      nonce: Buffer.from(this.#entropy.bytes(16)).toString('hex'),
      issuedAt: at.toISOString(),
      expiresAt: expiresAt.toISOString(),
      ...matter,
    })
    const payload = canonicalize(statement)
    const document = signDocument({ payload, key: this.key(how.key ?? party) })
    const digest = sha256Hex(payload)
    this.documents.set(digest, { document, signer: how.party ?? party })
    return digest
  }

  key(party: string): SigningKey {
    const known = this.#keys.get(party)
    if (known !== undefined) return known
    const made = signingKeyFromSeed(new SeededEntropy(`key of ${party}`).bytes(32))
    this.#keys.set(party, made)
    return made
  }

  request(
    fields: Partial<Matter<'release-request'>> & { readonly by?: string; readonly order?: string | null } = {},
    how: Circumstances = {},
  ): string {
    const { by = 'alpha', ...matter } = fields
    return this.sign(
      'release-request',
      by,
      {
        request: 'req_aaaaaaaaaaaaaaaaaaaa' as Matter<'release-request'>['request'],
        condition: 'insolvent',
        beneficiaries: [{ party: 'alpha', recipient: recipientOf('alpha') }],
        deposits: [{ source: 'kernel', sequence: null }],
        order: null,
        grounds: 'The depositor is bankrupt.',
        evidence: [evidence('court-register-extract')],
        ...matter,
      },
      how,
    )
  }

  frame(
    digest: string,
    options: { readonly now?: Date; readonly order?: EffectiveOrder | null; readonly epoch?: number } = {},
  ): RequestFrame {
    const verified = this.verify(digest)
    const { statement } = verified
    if (statement.type !== 'escrow/statement/release-request/v1') throw new Error('no request')
    return frameRequest({
      verified: { ...verified, statement },
      agreement: this.agreement,
      agreementDigest: this.digest,
      epoch: options.epoch ?? 1,
      order: options.order ?? null,
      now: options.now ?? monday,
    })
  }

  #verify(digest: string): VerifiedStatement {
    const posted = this.documents.get(digest)
    if (posted === undefined) throw new EscrowError('NOT_FOUND', `no statement ${digest.slice(0, 16)}`)
    const statement = Statement.parse(JSON.parse(Buffer.from(posted.document.payload).toString('utf8')))
    if (sha256Hex(posted.document.payload) !== digest) throw new EscrowError('STATEMENT_INVALID', 'another document lies under this digest')
    const named = this.agreement.parties.find((party) => party.party === statement.party && statement.agreement === this.digest)
    // The keyid is a hint, so it may shorten the search; the signature decides.
    const hinted = this.agreement.parties.filter((party) =>
      posted.document.signatures.some(({ keyid }) => this.#keyids(party).includes(keyid)),
    )
    const candidates = named === undefined ? hinted : [named, ...hinted]
    for (const party of candidates) {
      try {
        payloadSignedBy(posted.document, party.keys)
        return { digest, signer: party.party, statement }
      } catch (error) {
        if (!(error instanceof EscrowError)) throw error
      }
    }
    throw new EscrowError('SIGNATURE_INVALID', 'no pinned key signed this')
  }

  readonly #known = new Map<Party, readonly string[]>()
  #keyids(party: Party): readonly string[] {
    const keyids = this.#known.get(party) ?? party.keys.map(keyidOf)
    this.#known.set(party, keyids)
    return keyids
  }

  #agreement(release: unknown, name: string): Agreement {
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
      parties: Object.entries(roles).map(([party, role]) => this.#party(party, role)),
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

  #party(party: string, role: Role): unknown {
    const country = countries[party as keyof typeof countries] ?? 'CH'
    return {
      party,
      role,
      name: `Person ${party}`,
      organisation: `House ${party}`,
      standing: { country, control: country, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 },
      keys: [{ kind: 'ed25519', publicKey: this.key(party).publicKey }],
      recipient: role === 'arbiter' ? null : recipientOf(party),
      recoveryRecipient: party === 'alpha' ? recipientOf('alpha recovery') : null,
    }
  }
}

export function evidence(title: string) {
  return { title, sha256: 'ef'.repeat(32), sizeBytes: 1000, mediaType: 'application/pdf' }
}

/** An age file in form; nothing is in it. */
export function sealedShare(of: string): string {
  const body = Buffer.from(sha256Hex(Buffer.from(of)).padEnd(80, '0'))
  const line = 'A'.repeat(43)
  return Buffer.concat([Buffer.from(`age-encryption.org/v1\n-> X25519 ${line}\n${line}\n--- ${line}\n`), body]).toString('base64')
}

/** One request with its clock: reads like minutes. */
export class Proceedings {
  progress: ReleaseProgress
  readonly events: ReleaseEvent[]
  readonly inputs: { readonly input: ReleaseInput; readonly at: Date }[] = []
  now: Date

  constructor(
    readonly house: Consortium,
    readonly frame: RequestFrame,
    readonly started: Date = monday,
    unavailable: readonly string[] = [],
  ) {
    this.now = started
    const step = submit({ frame, now: started, verify: house.verify }, unavailable)
    this.progress = step.progress
    this.events = [...step.events]
  }

  get state(): string {
    return this.progress.state.name
  }

  give(input: ReleaseInput): Advance {
    const step = advance(this.progress, input, { frame: this.frame, now: this.now, verify: this.house.verify })
    this.progress = step.progress
    this.events.push(...step.events)
    this.inputs.push({ input, at: this.now })
    return step
  }

  /** Let time pass, then let the clock tick once. */
  wait(ms: number): void {
    this.now = later(this.now, ms)
    this.give({ kind: 'clock' })
  }

  /** Let the window end. */
  waitOut(): void {
    const { state } = this.progress
    if (!('until' in state)) throw new Error(`${state.name} does not end`)
    this.now = new Date(Math.max(Date.parse(state.until), this.now.getTime()))
    this.give({ kind: 'clock' })
  }

  say<Name extends StatementName>(name: Name, party: string, matter: Matter<Name>, how: Circumstances = {}): string {
    const digest = this.house.sign(name, party, matter, { at: this.now, ...how })
    this.give({ kind: 'statement', digest })
    return digest
  }

  approve(party: string, how: Circumstances = {}): string {
    return this.say('approval', party, { covers: [this.cover()], reason: 'The evidence is complete.' }, how)
  }

  refuse(party: string): string {
    return this.say('refusal', party, {
      covers: [{ requestDigest: this.frame.digest, agreement: this.frame.agreement }],
      reason: 'I am not convinced.',
    })
  }

  check(passed = true): string {
    return this.say('formal-check', 'agent', { requestDigest: this.frame.digest, passed, reason: passed ? null : 'aa'.repeat(32) })
  }

  serve(by = 'agent'): string {
    return this.say('notice-served', by, { subject: this.frame.digest, proof: 'aa'.repeat(32) })
  }

  object(grounds = 'We are not bankrupt.', documents: readonly string[] = []): string {
    return this.say('contrary-instruction', 'vendor', { requestDigest: this.frame.digest, grounds, evidence: documents.map(evidence) })
  }

  rule(outcome: 'proceed' | 'reject' | 'stay', by = 'arbiter'): string {
    const subject = { kind: 'request', digest: this.frame.digest } as const
    return this.say('ruling', by, { subject, outcome, grounds: 'Having heard both sides.', evidence: [] })
  }

  withdraw(by = 'alpha'): string {
    return this.say('withdrawal', by, { requestDigest: this.frame.digest, reason: 'Settled.' })
  }

  veto(by = 'guardian'): string {
    return this.say('veto', by, { requestDigest: this.frame.digest, reason: 'Wait for the appeal.' })
  }

  hold(by = 'ministry', days = 5, action: 'place' | 'lift' = 'place'): string {
    const until = later(this.now, days * dayMs).toISOString()
    return this.say('legal-hold', by, { action, requestDigest: this.frame.digest, until, reference: 'HOLD 1', reason: 'Inquiry.' })
  }

  cover() {
    const { digest, agreement, epoch, recipients } = this.frame
    return { requestDigest: digest, agreement, epoch, recipients: [...recipients] }
  }

  /** A signed share release; not given to the request yet. */
  share(party: string, change: Partial<Matter<'share-release'>> = {}, how: Circumstances = {}): string {
    const index = this.frame.roster.vault.custodians.find((custodian) => custodian.party === party)?.index ?? 1
    const sealedShares = this.frame.recipients.map((recipient) => ({ recipient, file: sealedShare(`${party} ${recipient}`) }))
    return this.house.sign(
      'share-release',
      party,
      { requestDigest: this.frame.digest, index, sealedShares, ...change },
      { at: this.now, ...how },
    )
  }

  deliver(...parties: readonly string[]): void {
    this.give({ kind: 'shares', digests: parties.map((party) => this.share(party)) })
  }

  /** These and nobody else have lost their shares; the ministry says so. */
  lose(parties: readonly string[]): void {
    const decidedBy = { digest: 'ab'.repeat(32), party: 'ministry', type: 'escrow/statement/availability/v1' as const }
    this.give({ kind: 'unavailable', parties, decidedBy })
  }

  /** From submission to approval, with the notice served and nobody objecting. */
  reachApproval(): void {
    this.check()
    this.serve()
    this.waitOut()
  }

  reachCoolingOff(): void {
    this.reachApproval()
    for (const party of ['c1', 'c2', 'c3', 'legal1']) this.approve(party)
  }

  reachReleasing(): void {
    this.reachCoolingOff()
    this.waitOut()
  }
}

const everyday = new Consortium()

/** Start a request of alpha; in the everyday consortium, unless a test changes something about it. */
export function open(house = everyday, unavailable: readonly string[] = []): Proceedings {
  return new Proceedings(house, house.frame(house.request()), monday, unavailable)
}

/** The code with which an action is refused; null when it is not. */
export function refusal(action: () => unknown): string | null {
  try {
    action()
    return null
  } catch (error) {
    if (error instanceof EscrowError) return error.code
    throw error
  }
}
