// One deposit as a copy of the archive shows it: manifest, receipt and explanations, each verified with a trusted agreement. What is
// attacker-controlled: every byte and every name.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { explanationsMax, signedDocumentBytesMax } from '../core/limits.js'
import { claimsOf, parseSignedDocument, type SignedDocument, type VerifyingKey } from '../crypto/dsse.js'
import { verifyAhead } from '../crypto/signature.js'
import { checkManifest } from '../format/check-manifest.js'
import { checkStatement } from '../format/check-statement.js'
import { Manifest } from '../format/manifest.js'
import { checkReceipt } from '../format/receipt.js'
import { epochOf, keysOf, sameKey, type SignedAgreement } from '../format/signed-agreement.js'
import { openDocument } from '../format/signed-document.js'
import { FindingExplanation, type StatementOf } from '../format/statement.js'
import { checkpointClaimsOf, openReceipt, proveReceipt, type VerifiedReceipt } from '../format/verify-receipt.js'
import type { ArchiveProblem, TrustedAgreement } from './archive-agreement.js'
import { depositFileKey, type ArchiveReader, type DepositFolder } from './archive-reader.js'
import { objectKeys, type DepositPlace } from './object-key.js'

/** A deposit whose manifest holds by itself; whether it is on its source's chain, `readHistory` says. */
export interface ArchivedDeposit {
  readonly place: DepositPlace
  readonly manifest: Manifest
  /** Of the manifest's payload. */
  readonly digest: string
  /** The version under which it was taken. */
  readonly agreement: SignedAgreement
  /** Null when there is none that holds. */
  readonly receipt: VerifiedReceipt | null
  /** Of the depositor, for findings of this deposit. */
  readonly explanations: readonly StatementOf<'finding-explanation'>[]
}

/** What was found in a deposit's folder. */
export interface DepositReading {
  readonly place: DepositPlace
  /** Null when no manifest holds. */
  readonly deposit: ArchivedDeposit | null
  readonly problems: readonly ArchiveProblem[]
}

/**
 * Read and verify the documents of one deposit; its files are not touched.
 *
 * @returns problems instead of refusals: one bad document says nothing about the others.
 * @throws EscrowError `STORE_*`
 */
export async function readDeposit(
  reader: ArchiveReader,
  folder: DepositFolder,
  trusted: TrustedAgreement,
  signal?: AbortSignal,
): Promise<DepositReading> {
  const { place } = folder
  const problems: ArchiveProblem[] = []
  const attempt = async <T>(where: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work()
    } catch (error) {
      if (!isEscrowError(error) || isStoreFault(error)) throw error
      problems.push({ error, where })
      return null
    }
  }
  const read = (name: string) => reader.read(depositFileKey(place, name), signedDocumentBytesMax, signal)
  const readSigned = async (name: string) => {
    const document = parseSignedDocument(await read(name))
    await verifyAhead(claimsOf(document, signersOf(trusted)))
    return document
  }
  const opened = await attempt(objectKeys.manifest(place), async () => openManifest(await readSigned('manifest.json'), place, trusted))
  if (opened === null) return { place, deposit: null, problems }
  const { manifest, digest, agreement } = opened
  const receipt = !folder.files.has('receipt.json')
    ? null
    : await attempt(objectKeys.receipt(place), async () => {
        const signed = openReceipt(await readSigned('receipt.json'), agreement)
        await verifyAhead(checkpointClaimsOf(signed, agreement))
        const verified = proveReceipt(signed, agreement)
        checkReceipt(verified.receipt, manifest, digest)
        return verified
      })
  const explanations: StatementOf<'finding-explanation'>[] = []
  for (const name of [...folder.files.keys()].filter((file) => /^explanation-[0-9a-f]{64}\.json$/.test(file)).slice(0, explanationsMax)) {
    const open = async () => openExplanation(await read(name), { place, digest, trusted })
    const statement = await attempt(depositFileKey(place, name), open)
    if (statement !== null) explanations.push(statement)
  }
  return { place, deposit: { place, manifest, digest, agreement, receipt, explanations }, problems }
}

/** Blocking findings of a deposit that its depositor has not explained, by code; empty when it may be opened without a second thought. */
export function unexplainedFindings(deposit: Pick<ArchivedDeposit, 'manifest' | 'explanations'>): readonly string[] {
  const explained = new Set(deposit.explanations.flatMap((statement) => statement.codes))
  const blocking = deposit.manifest.findings.filter((finding) => finding.severity === 'blocking')
  return blocking.map((finding) => finding.code).filter((code) => !explained.has(code))
}

/**
 * Open a manifest of an archive.
 *
 * @throws EscrowError `FORMAT_INVALID`, `SIGNATURE_INVALID`; `AGREEMENT_DIGEST`, `AGREEMENT_INVALID`, `RECIPIENT_INVALID` when it does not fit
 *   the agreement; `CHAIN_BROKEN` when it belongs elsewhere
 */
export function openManifest(
  bytes: Uint8Array | SignedDocument,
  place: DepositPlace,
  trusted: TrustedAgreement,
): { readonly manifest: Manifest; readonly digest: string; readonly agreement: SignedAgreement } {
  const agreementOf = (body: Manifest) => versionNamed(trusted, body.agreement)
  const keys = (body: Manifest): readonly VerifyingKey[] => {
    const { body: agreement } = agreementOf(body)
    return [...keysOf(agreement, 'agent'), ...keysOf(agreement, 'depositor')]
  }
  const { body: manifest, digest, signedBy } = openDocument(bytes, { schema: Manifest, keys, what: 'manifest' })
  const agreement = agreementOf(manifest)
  for (const role of manifest.mode === 'sealed' ? (['depositor', 'agent'] as const) : (['agent'] as const)) {
    const pinned = keysOf(agreement.body, role)
    if (pinned.some((key) => signedBy.some((signer) => sameKey(signer, key)))) continue
    throw new EscrowError('SIGNATURE_INVALID', `manifest: expected a signature by the ${role} in mode ${manifest.mode}, got none`)
  }
  checkManifest(manifest)
  const { source, sequence, kind } = manifest
  if (source !== place.source || sequence !== place.sequence || kind !== place.kind) {
    const got = `that of deposit ${sequence} (${kind}) of ${source}`
    throw new EscrowError(
      'CHAIN_BROKEN',
      `expected the manifest of deposit ${place.sequence} (${place.kind}) of ${place.source}, got ${got}`,
    )
  }
  requireFits(manifest, agreement)
  return { manifest, digest, agreement }
}

function requireFits(manifest: Manifest, { body }: SignedAgreement): void {
  const { source, mode, envelope } = manifest
  if (!body.sources.some((known) => known.source === source && known.mode === mode)) {
    throw new EscrowError('AGREEMENT_INVALID', `expected a source ${source} in mode ${mode} in the agreement, there is none`)
  }
  const { recipient } = epochOf(body, envelope.epoch)
  if (recipient === envelope.recipient) return
  throw new EscrowError(
    'RECIPIENT_INVALID',
    `expected an envelope to ${recipient}, epoch ${envelope.epoch}, got one to ${envelope.recipient}`,
  )
}

function openExplanation(
  bytes: Uint8Array,
  of: { readonly place: DepositPlace; readonly digest: string; readonly trusted: TrustedAgreement },
): StatementOf<'finding-explanation'> {
  const keys = (statement: StatementOf<'finding-explanation'>) => keysOf(versionNamed(of.trusted, statement.agreement).body, 'depositor')
  const { body } = openDocument(bytes, { schema: FindingExplanation, keys, what: 'explanation' })
  const { origin } = versionNamed(of.trusted, body.agreement).body
  // It was presented when it was recorded; an archive is read long after its expiry.
  checkStatement(body, { agreement: body.agreement, origin, now: new Date(body.issuedAt) })
  const { place, digest } = of
  if (body.source === place.source && body.sequence === place.sequence && body.manifest === digest) return body
  throw new EscrowError('STATEMENT_INVALID', `explanation: expected one for deposit ${place.sequence} of ${place.source}, got another`)
}

/** Whose signatures are expected under manifests and receipts. */
function signersOf({ versions }: TrustedAgreement): readonly VerifyingKey[] {
  return [...versions.values()].flatMap(({ body }) => [...keysOf(body, 'agent'), ...keysOf(body, 'depositor')])
}

function versionNamed(trusted: TrustedAgreement, digest: string): SignedAgreement {
  const version = trusted.versions.get(digest)
  if (version !== undefined) return version
  throw new EscrowError('AGREEMENT_DIGEST', `expected the agreement ${[...trusted.versions.keys()].join(' or ')}, got ${digest}`)
}

function isStoreFault(error: EscrowError): boolean {
  return error.code === 'STORE_UNREACHABLE' || error.code === 'STORE_REFUSED'
}
