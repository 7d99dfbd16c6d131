// The agreement that a service under test serves: its terms, its annex, its vaults, and the custodians' word that they hold them.
import type { Config } from '../../config/schema.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { dealVault, type DealtVault } from '../../src/crypto/holder/vault-shares.js'
import type { SigningKey } from '../../src/crypto/signature.js'
import { Agreement, type AgreementAnnex, type Party } from '../../src/format/agreement.js'
import { remoteDigest } from '../../src/format/agreement-annex.js'
import { newId } from '../../src/format/ids.js'
import type { CalendarSchedule, IntervalSchedule } from '../../src/format/schedule.js'
import type { SignedAgreement } from '../../src/format/signed-agreement.js'
import { signDocument } from '../../src/format/signed-document.js'
import { ShareAccept } from '../../src/format/statement.js'
import { dayMs } from './moments.js'

export const origin = 'service.example/1'
export const custodians = ['notary', 'university', 'chamber', 'auditor', 'foundation'] as const

/** A source of an agreement under test. */
export interface SourceWish {
  readonly source: string
  /** Left out for one that its depositor pushes. */
  readonly url?: string
  /** Daily with half a day of grace when left out. */
  readonly schedule?: Partial<IntervalSchedule> | Omit<CalendarSchedule, 'startsAt'>
  readonly fullEveryDays?: number
}

/** Terms of an agreement beside its sources. */
export interface TermsWish {
  /** The release policy; none when left out. */
  readonly release?: Readonly<Record<string, unknown>>
  /** Where the policy is another than the everyday one. */
  readonly jurisdiction?: Partial<Agreement['jurisdiction']>
}

/** What an agreement takes over from the service that it is with. */
export interface ServiceTerms {
  readonly now: Date
  readonly cards: readonly Party[]
  readonly logKey: string
  readonly log: Config['log']
}

/** Compose an agreement over sources; nobody has signed it. @returns it with its annex, and what was dealt for its vaults. */
export function composeAgreement(
  on: ServiceTerms,
  sources: readonly SourceWish[],
  terms: TermsWish,
): { readonly agreement: Agreement; readonly annex: AgreementAnnex; readonly dealt: readonly DealtVault[] } {
  const entropy = new SystemEntropy()
  const secret = Buffer.from(entropy.bytes(32))
  const id = newId('agr', entropy)
  const salt = () => Buffer.from(entropy.bytes(32)).toString('hex')
  const remotes = sources.flatMap(({ source, url }) => (url === undefined ? [] : [{ source, url, salt: salt() }]))
  const dealt = [1, 2].map(() => dealVault({ threshold: 3, custodians: 5 }, entropy))
  const epochs = dealt.map(({ recipient, commitments }, place) => ({ epoch: place + 1, recipient, commitments: [...commitments] }))
  const startsAt = new Date(Math.ceil(on.now.getTime() / 1000) * 1000).toISOString()
  const agreement = Agreement.parse({
    type: 'escrow/agreement/v1',
    agreement: id,
    version: 1,
    previous: null,
    title: 'Continuity of the test product',
    origin,
    createdAt: on.now.toISOString(),
    endsAt: '2099-01-01T00:00:00.000Z',
    retentionDays: 30,
    parties: on.cards,
    vault: { suite: 'x25519-rfc9591', threshold: 3, custodians: custodians.map((party, place) => ({ index: place + 1, party })), epochs },
    sources: sources.map(({ source, url, schedule, fullEveryDays }) => ({
      source,
      mode: url === undefined ? 'push' : 'pull',
      remoteDigest: url === undefined ? null : remoteDigest(remotes.find((remote) => remote.source === source)),
      schedule: { startsAt, ...(schedule !== undefined && 'cron' in schedule ? {} : { everyHours: 24, graceHours: 12 }), ...schedule },
      fullEveryDays: fullEveryDays ?? 30,
      chainLengthMax: 120,
    })),
    jurisdiction: {
      storeCountries: ['CH'],
      storeControlExcluded: ['US'],
      custodianCountriesMin: 3,
      custodianOrganisationsMin: 3,
      approverCountries: ['CH', 'DE', 'FR', 'NL', 'AT'],
      ...terms.jurisdiction,
    },
    log: {
      origin,
      key: on.logKey,
      witnessQuorum: on.log.witnessQuorum,
      witnesses: on.log.witnesses.map((witness) => witness.key),
    },
    tagSecretDigest: sha256Hex(secret),
    release: terms.release ?? {},
  })
  const annex: AgreementAnnex = {
    type: 'escrow/agreement-annex/v1',
    agreement: id,
    version: 1,
    tagSecret: secret.toString('hex'),
    remotes,
  }
  return { agreement, annex, dealt }
}

/** The word of every custodian that its shares open the vaults. */
export function acceptancesOf(signed: SignedAgreement, now: Date, keyOf: (party: string) => SigningKey): readonly Uint8Array[] {
  const { body, digest } = signed
  const expiresAt = new Date(now.getTime() + 30 * dayMs).toISOString()
  return body.vault.custodians.flatMap(({ index, party }) =>
    body.vault.epochs.map(({ epoch, recipient }) => {
      const nonce = Buffer.from(new SystemEntropy().bytes(16)).toString('hex')
      const first = { origin, agreement: digest, epoch, party, nonce, issuedAt: now.toISOString(), expiresAt }
      const statement = { type: 'escrow/statement/share-accept/v1' as const, ...first, index, recipient }
      return signDocument({ body: statement, schema: ShareAccept, key: keyOf(party) })
    }),
  )
}
