import { join } from 'node:path'
import { SystemClock, SystemEntropy, type Entropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { checkVault } from '../../../crypto/vault-commitments.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { sha256Hex } from '../../../crypto/digest.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import { Agreement, AgreementAnnex, Vault, type Party } from '../../../format/agreement.js'
import { canonicalize } from '../../../format/canonical-json.js'
import { checkAgreement } from '../../../format/check-agreement.js'
import { newId } from '../../../format/ids.js'
import { remoteDigest } from '../../../format/agreement-annex.js'
import { parseBody } from '../../../format/parse-body.js'
import { openAgreement, partyOf, sameKey, type SignedAgreement } from '../../../format/signed-agreement.js'
import { countersign, digestOf, signDocument } from '../../../format/signed-document.js'
import {
  draftedSchedule,
  parseAgreementDraft,
  parseServiceCard,
  type AgreementDraft,
  type ServiceCard,
} from '../../party/agreement-draft.js'
import { requireRemoteUrls } from './draft-urls.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile, writeNamedFile } from '../../files.js'
import { linesOfRelease } from '../../release-lines.js'
import { openPartyFolder, parseJson, readPartyCard, type PartyFolder } from '../../party/party-folder.js'

interface CreateOptions {
  readonly draft: string
  readonly service: string
  readonly vault: string
  readonly party: readonly string[]
  readonly out: string
}

/** Write an agreement, unsigned, and its annex sealed to every party. @throws EscrowError `AGREEMENT_INVALID`, `VAULT_INVALID`, `FORMAT_INVALID`, `FILE_UNREADABLE` */
export async function createAgreement(_context: CommandContext, options: CreateOptions): Promise<CommandResult> {
  const text = async (path: string) => (await readNamedFile(path, signedDocumentBytesMax)).toString('utf8')
  const draft = parseAgreementDraft(await text(options.draft), options.draft)
  requireRemoteUrls(draft.sources, options.draft)
  const service = parseServiceCard(await text(options.service), options.service)
  const vault = parseBody(parseJson(await text(options.vault), options.vault), Vault, options.vault)
  const parties = await Promise.all(options.party.map((path) => readPartyCard(path)))
  const { agreement, annex } = assemble({ draft, service, vault, parties }, new SystemClock().now(), new SystemEntropy())
  checkWhole(agreement)
  // A policy that nobody could satisfy is refused when it is made, before anybody has signed it.
  const release = linesOfRelease(agreement)
  const recipients = parties.flatMap((party) => (party.recipient === null ? [] : [party.recipient]))
  const path = join(options.out, 'agreement.json')
  const annexPath = join(options.out, 'annex.age')
  await writeNamedFile(path, canonicalize(agreement), { replace: false })
  await writeNamedFile(annexPath, sealBytes(canonicalize(annex), recipients, new SystemEntropy()), { replace: false })
  const digest = digestOf(agreement)
  const lines = columns([
    ['agreement', `${agreement.agreement}, version ${agreement.version}`],
    ['digest', `${digest}; all parties compare it before they sign`],
    ['written to', `${path} and ${annexPath}`],
  ])
  const json = { agreement: agreement.agreement, digest, file: path, annex: annexPath, warnings: release.warnings }
  return { json, lines: [...lines, ...release.lines] }
}

/**
 * Sign an agreement as one of its parties.
 *
 * @param options.before - the version before: a depositor or beneficiary that gets other keys signs with the old ones too.
 * @throws EscrowError `KEY_INVALID` when the key is not that party's, `AGREEMENT_INVALID` when `before` is not the version before, `FORMAT_INVALID`
 */
export async function signAgreement(
  _context: CommandContext,
  options: { readonly as: string; readonly before?: string },
  path: string,
): Promise<CommandResult> {
  const party = await openPartyFolder(options.as)
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  const before = options.before === undefined ? null : openAgreement(await readNamedFile(options.before, signedDocumentBytesMax))
  const signed = signAs(bytes, party, before)
  const { body, digest, signedBy } = openAgreement(signed)
  await writeNamedFile(path, signed)
  const lines = columns([
    ['signed', `${body.agreement} as ${party.card.party} (${party.signingKey.fingerprint})`],
    ['digest', digest],
    ['signed by', signedBy.join(', ')],
  ])
  const release = linesOfRelease(body)
  return { json: { agreement: body.agreement, digest, signedBy, warnings: release.warnings }, lines: [...lines, ...release.lines] }
}

/** Nobody signs for a vault that cannot be opened by as many shares as it says. */
function checkWhole(agreement: Agreement): void {
  checkAgreement(agreement)
  for (const epoch of agreement.vault.epochs) checkVault(epoch, agreement.vault.threshold)
}

function signAs(bytes: Uint8Array, party: PartyFolder, before: SignedAgreement | null): Uint8Array {
  const isSigned = !startsLikeAgreement(bytes)
  const body = isSigned
    ? openAgreement(bytes).body
    : parseBody(parseJson(Buffer.from(bytes).toString('utf8'), 'agreement'), Agreement, 'agreement')
  checkWhole(body)
  if (before !== null && body.previous !== before.digest)
    throw new EscrowError('AGREEMENT_INVALID', 'expected the version that this one takes the place of')
  const versions = before === null ? [body] : [body, before.body]
  const pinned = versions.some((version) => partyOf(version, party.card.party).keys.some((key) => sameKey(key, party.pinnedKey)))
  if (!pinned) throw new EscrowError('KEY_INVALID', `expected the key that the agreement names for ${party.card.party}`)
  return isSigned ? countersign(bytes, party.signingKey) : signFirst(body, party)
}

function signFirst(body: Agreement, party: PartyFolder): Uint8Array {
  return signDocument({ body, schema: Agreement, key: party.signingKey })
}

/** Before the first signature the file is the bare body; afterwards it is a signed document. */
function startsLikeAgreement(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 14)).toString('latin1').startsWith('{"agreement":')
}

interface Parts {
  readonly draft: AgreementDraft
  readonly service: ServiceCard
  readonly vault: Vault
  readonly parties: readonly Party[]
}

function assemble({ draft, service, vault, parties }: Parts, now: Date, entropy: Entropy): { agreement: Agreement; annex: AgreementAnnex } {
  const id = newId('agr', entropy)
  const secret = Buffer.from(entropy.bytes(32))
  const remotes = draft.sources.flatMap(({ source, url }) =>
    url === undefined ? [] : [{ source, url, salt: Buffer.from(entropy.bytes(32)).toString('hex') }],
  )
  const agreement: Agreement = {
    type: 'escrow/agreement/v1',
    agreement: id,
    version: 1,
    previous: null,
    title: draft.title,
    origin: service.origin,
    createdAt: now.toISOString(),
    endsAt: draft.endsAt,
    retentionDays: draft.retentionDays,
    parties: [...parties],
    vault,
    sources: draft.sources.map((one) => ({
      source: one.source,
      mode: one.mode,
      remoteDigest: remoteDigest(remotes.find((remote) => remote.source === one.source)),
      schedule: draftedSchedule(one, now.toISOString()),
      fullEveryDays: one.fullEveryDays,
      chainLengthMax: one.chainLengthMax,
    })),
    jurisdiction: draft.jurisdiction,
    log: { ...service.log, witnessQuorum: draft.witnesses.quorum, witnesses: draft.witnesses.keys },
    tagSecretDigest: sha256Hex(secret),
    release: draft.release,
  }
  const annex: AgreementAnnex = { type: 'escrow/agreement-annex/v1', agreement: id, version: 1, tagSecret: secret.toString('hex'), remotes }
  return { agreement, annex }
}
