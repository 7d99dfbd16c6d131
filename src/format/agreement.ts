import { z } from 'zod'
import { custodiansMax, partiesMax, sourcesMax } from '../core/limits.js'
import { AgeRecipient, AgreementId, Country, Ed25519PublicKey, Instant, Sha256Hex, Slug } from './ids.js'
import { Schedule } from './schedule.js'

export const Role = z.enum(['depositor', 'beneficiary', 'custodian', 'agent', 'supervisor', 'arbiter', 'approver'])
export type Role = z.infer<typeof Role>

/** How a party's statements are signed; `sshsig` keys are OpenSSH public key lines (Ed25519 and FIDO `sk-`). */
export const PartyKey = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ed25519'), publicKey: Ed25519PublicKey }),
  z.strictObject({
    kind: z.literal('sshsig'),
    publicKey: z
      .string()
      .max(2048)
      .regex(/^(?:ssh-ed25519|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/=]+$/),
  }),
])
export type PartyKey = z.infer<typeof PartyKey>

/** Where a party sits and who controls it (DESIGN section 8). Percentages are whole numbers, 0 to 100. */
export const Standing = z.strictObject({
  country: Country,
  control: Country,
  foreignCapitalLargestPercent: z.number().int().min(0).max(100),
  foreignCapitalTotalPercent: z.number().int().min(0).max(100),
})

export type Standing = z.infer<typeof Standing>

export const Party = z.strictObject({
  party: Slug,
  role: Role,
  name: z.string().min(1).max(200),
  organisation: z.string().min(1).max(200),
  standing: Standing,
  keys: z.array(PartyKey).min(1).max(8),
  /** Who may be sealed to: every party but the arbiter has one. */
  recipient: AgeRecipient.nullable(),
  recoveryRecipient: AgeRecipient.nullable(),
})
export type Party = z.infer<typeof Party>

/** One key pair of the vault; `commitments` are t Ed25519 points in hex, `commitments[0]` belongs to the recipient (docs/formats/share.md). */
export const VaultEpoch = z.strictObject({
  epoch: z.number().int().min(1).max(1_000_000),
  recipient: AgeRecipient,
  commitments: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(2)
    .max(custodiansMax),
})
export type VaultEpoch = z.infer<typeof VaultEpoch>

export const Vault = z.strictObject({
  suite: z.literal('x25519-rfc9591'),
  threshold: z.number().int().min(2).max(custodiansMax),
  /** Custodian i holds share i of every epoch. */
  custodians: z
    .array(z.strictObject({ index: z.number().int().min(1).max(custodiansMax), party: Slug }))
    .min(4)
    .max(custodiansMax),
  /** The current epoch first, then its reserve. */
  epochs: z.array(VaultEpoch).min(2).max(64),
})
export type Vault = z.infer<typeof Vault>

export const DepositMode = z.enum(['pull', 'push', 'sealed'])
export type DepositMode = z.infer<typeof DepositMode>

export const Source = z.strictObject({
  source: Slug,
  mode: DepositMode,
  /** SHA-256 over `<salt hex>\n<url>`; URL and salt are in the annex, which only parties can open. Null where nothing is pulled. */
  remoteDigest: Sha256Hex.nullable(),
  schedule: Schedule,
  fullEveryDays: z.number().int().min(1).max(366),
  chainLengthMax: z.number().int().min(0).max(10_000),
})
export type Source = z.infer<typeof Source>

export const JurisdictionPolicy = z.strictObject({
  storeCountries: z.array(Country).max(250),
  storeControlExcluded: z.array(Country).max(250),
  custodianCountriesMin: z.number().int().min(1).max(custodiansMax),
  custodianOrganisationsMin: z.number().int().min(1).max(custodiansMax),
  approverCountries: z.array(Country).max(250),
})
export type JurisdictionPolicy = z.infer<typeof JurisdictionPolicy>

/** Which log the agent's events are in, and who must have seen it. Keys are C2SP vkeys (`name+hash+base64`). */
export const LogPolicy = z.strictObject({
  origin: z.string().min(1).max(200),
  key: z.string().max(500),
  witnessQuorum: z.number().int().min(0).max(32),
  witnesses: z.array(z.string().max(500)).max(32),
})
export type LogPolicy = z.infer<typeof LogPolicy>

/**
 * What the parties agree on and sign. Its digest (SHA-256 over the canonical bytes of this body) is what every statement, share
 * acceptance and manifest names.
 */
export const Agreement = z.strictObject({
  type: z.literal('escrow/agreement/v1'),
  agreement: AgreementId,
  version: z.number().int().min(1).max(1_000_000),
  /** Digest of the version before; null for the first. */
  previous: Sha256Hex.nullable(),
  title: z.string().min(1).max(200),
  /** The agent's service, as statements name it. */
  origin: z.string().min(1).max(200),
  createdAt: Instant,
  endsAt: Instant,
  retentionDays: z.number().int().min(1).max(36_600),
  parties: z.array(Party).min(2).max(partiesMax),
  vault: Vault,
  sources: z.array(Source).min(1).max(sourcesMax),
  jurisdiction: JurisdictionPolicy,
  log: LogPolicy,
  /** SHA-256 over the secret from which log tags are made; the secret is in the annex. */
  tagSecretDigest: Sha256Hex,
  /** Release conditions, clocks and approval groups: docs/formats/agreement.md. Data only; `src/release` parses them. */
  release: z.record(z.string(), z.unknown()),
})
export type Agreement = z.infer<typeof Agreement>

/** What parties and the agent know beside the agreement; travels and rests as an age file to all of them. */
export const AgreementAnnex = z.strictObject({
  type: z.literal('escrow/agreement-annex/v1'),
  agreement: AgreementId,
  version: z.number().int().min(1).max(1_000_000),
  /** 32 bytes in hex: HMAC key of log tags. */
  tagSecret: z.string().regex(/^[0-9a-f]{64}$/),
  remotes: z
    .array(z.strictObject({ source: Slug, url: z.string().min(1).max(2048), salt: z.string().regex(/^[0-9a-f]{64}$/) }))
    .max(sourcesMax),
})
export type AgreementAnnex = z.infer<typeof AgreementAnnex>
