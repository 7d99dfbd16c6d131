// A small consortium with real keys: every statement in the tests of a release is signed, and verified each time it is asked for.
import { sha256Hex } from '../../src/crypto/digest.js'
import { keyidOf, payloadSignedBy, signDocument, type SignedDocument } from '../../src/crypto/dsse.js'
import { signingKeyFromSeed, type SigningKey } from '../../src/crypto/signature.js'
import { Agreement, type Party } from '../../src/format/agreement.js'
import { canonicalize } from '../../src/format/canonical-json.js'
import { Statement } from '../../src/format/statement.js'
import { EscrowError } from '../../src/core/errors.js'
import { frameRequest, type EffectiveOrder } from '../../src/release/rules/request-frame.js'
import type { VerifiedStatement, VerifyStatement } from '../../src/release/rules/quorum.js'
import type { RequestFrame } from '../../src/release/rules/release-state.js'
import { consortiumAgreement, recipientOf, releasePart } from './consortium-agreement.js'
import { dayMs, later, monday } from './moments.js'
import { SeededEntropy } from './seeded-entropy.js'
import type { Matter, StatementName } from './statement-matter.js'

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

/** The consortium, its agreement, and the documents its members have signed. */
export class Consortium {
  readonly agreement: Agreement
  readonly digest: string
  readonly documents = new Map<string, { readonly document: SignedDocument; readonly signer: string }>()
  readonly #keys = new Map<string, SigningKey>()
  readonly #entropy = new SeededEntropy('consortium')
  readonly verify: VerifyStatement = (digest) => this.#verify(digest)

  constructor(options: { readonly release?: unknown; readonly change?: (agreement: Agreement) => unknown; readonly name?: string } = {}) {
    const made = consortiumAgreement({
      release: options.release ?? releasePart,
      name: options.name ?? 'one',
      keyOf: (party) => this.key(party),
    })
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
}

/** A document that a statement names. */
export function evidence(title: string) {
  return { title, sha256: 'ef'.repeat(32), sizeBytes: 1000, mediaType: 'application/pdf' }
}
