import { EscrowError } from '../core/errors.js'
import type { AgreementId, RequestId } from '../format/ids.js'
import type { DepositKind } from '../format/manifest.js'

declare const brand: unique symbol
/** A checked object key: slash-separated segments of `A-Za-z0-9._-`, none of them `.` or `..`, at most 900 bytes. */
export type ObjectKey = string & { readonly [brand]: 'ObjectKey' }

const keyBytesMax = 900
const pattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

/**
 * Check a key that came from a manifest, a row or a folder.
 *
 * @throws EscrowError `OBJECT_KEY_INVALID`
 */
export function parseObjectKey(text: string): ObjectKey {
  if (text.length > keyBytesMax || !pattern.test(text)) {
    throw new EscrowError('OBJECT_KEY_INVALID', 'expected slash-separated segments of letters, digits, dot, dash and underscore', {
      details: { length: text.length },
    })
  }
  return text as ObjectKey
}

/**
 * Check the beginning of keys that a listing is asked for: empty, or whole segments and then the beginning of one.
 *
 * @returns the whole segments with their slash ("" for none), and the beginning of the next segment.
 * @throws EscrowError `OBJECT_KEY_INVALID`
 */
export function parseKeyPrefix(prefix: string): { readonly folder: string; readonly name: string } {
  const slash = prefix.lastIndexOf('/') + 1
  const [folder, name] = [prefix.slice(0, slash), prefix.slice(slash)]
  if (folder !== '') parseObjectKey(folder.slice(0, -1))
  if (name !== '') parseObjectKey(name)
  return { folder, name }
}

/** Where one deposit lives. */
export interface DepositPlace {
  readonly agreement: AgreementId
  readonly source: string
  readonly sequence: number
  readonly kind: DepositKind
}

const join = (...parts: readonly string[]): ObjectKey => parseObjectKey(parts.join('/'))
const sourceFolder = (agreement: AgreementId, source: string) => `agreements/${agreement}/sources/${source}`
const releaseFolder = (agreement: AgreementId, request: RequestId) => `agreements/${agreement}/releases/${request}`
/** Ten digits keep key order equal to sequence order. */
const depositFolder = (place: DepositPlace) =>
  `${sourceFolder(place.agreement, place.source)}/${String(place.sequence).padStart(10, '0')}-${place.kind}`

/** DESIGN section 4, "Layout in the store", in one place. */
export const objectKeys = {
  agreement: (agreement: AgreementId, version: number) => join('agreements', agreement, `agreement-${version}.json`),
  annex: (agreement: AgreementId, version: number) => join('agreements', agreement, `agreement-${version}.annex.age`),
  vaultStatement: (agreement: AgreementId, version: number, name: string) => join('agreements', agreement, `vault-${version}`, name),
  sources: (agreement: AgreementId) => `agreements/${agreement}/sources/`,
  deposits: (agreement: AgreementId, source: string) => `${sourceFolder(agreement, source)}/`,
  manifest: (place: DepositPlace) => join(depositFolder(place), 'manifest.json'),
  receipt: (place: DepositPlace) => join(depositFolder(place), 'receipt.json'),
  /** The depositor's signed word on what it sent: sealed deposits, and pushed ones that carried it. */
  depositStatement: (place: DepositPlace) => join(depositFolder(place), 'deposit-statement.json'),
  /** The depositor's signed explanation of findings. @param digest - of the statement. */
  explanation: (place: DepositPlace, digest: string) => join(depositFolder(place), `explanation-${digest}.json`),
  bundle: (place: DepositPlace, attempt: string) => join(depositFolder(place), `${attempt}.bundle.age`),
  inventory: (place: DepositPlace, attempt: string) => join(depositFolder(place), `${attempt}.inventory.age`),
  knownObjects: (place: DepositPlace, attempt: string) => join(depositFolder(place), `${attempt}.known-objects`),
  attachment: (agreement: AgreementId, source: string, sha256: string) =>
    join(sourceFolder(agreement, source), 'attachments', `${sha256}.age`),
  /** A document that a signed statement names as evidence, in the clear. @param sha256 - of its bytes, as the statement has it. */
  evidence: (agreement: AgreementId, sha256: string) => join('agreements', agreement, 'evidence', sha256),
  /** The folder of a release: the name of its case in what is written down about it. */
  releases: (agreement: AgreementId, request: RequestId) => join(releaseFolder(agreement, request)),
  /** A signed statement about a release request. @param digest - of the statement. */
  releaseStatement: (agreement: AgreementId, request: RequestId, digest: string) =>
    join(releaseFolder(agreement, request), 'statements', `${digest}.json`),
  /** A share release, from the moment on at which it may be passed on. @param digest - of the statement. */
  releasedShare: (agreement: AgreementId, request: RequestId, digest: string) =>
    join(releaseFolder(agreement, request), 'shares', `${digest}.json`),
  /** A signed statement about a shutdown order. @param order - digest of its first registration. */
  orderStatement: (agreement: AgreementId, order: string, digest: string) =>
    join('agreements', agreement, 'orders', order, `${digest}.json`),
  /** A signed statement about the agreement as a whole. @param digest - of the statement. */
  agreementStatement: (agreement: AgreementId, digest: string) => join('agreements', agreement, 'statements', `${digest}.json`),
  /** A statement about an order against the agent, once parties may know. @param order - digest of its registration. */
  legalStatement: (agreement: AgreementId, order: string, digest: string) =>
    join('agreements', agreement, 'legal-orders', order, `${digest}.json`),
  /** A statement that must not be shown yet, sealed to the agent alone. @param name - random: it must tell nothing. */
  sealedRecord: (agreement: AgreementId, name: string) => join('agreements', agreement, 'sealed-records', `${name}.age`),
  sealedRecords: (agreement: AgreementId) => `agreements/${agreement}/sealed-records/`,
  /** The summons of a drill, or a statement given in it. @param digest - of the document. */
  drillDocument: (agreement: AgreementId, drill: string, digest: string) =>
    join('agreements', agreement, 'drills', drill, `${digest}.json`),
  event: (leafHash: string) => join('events', `${leafHash}.json`),
  tile: (path: string) => join(path),
  readme: () => join('README.txt'),
} as const
