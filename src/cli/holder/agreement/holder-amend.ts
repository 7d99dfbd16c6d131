// The next version of an agreement, as its parties write it and agree to it.
import { join } from 'node:path'
import { SystemEntropy, type Entropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { openBytes } from '../../../crypto/holder/open-envelope.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import { Agreement, Vault, type AgreementAnnex, type Party, type Source } from '../../../format/agreement.js'
import { parseAnnex, remoteDigest } from '../../../format/agreement-annex.js'
import { canonicalize } from '../../../format/canonical-json.js'
import { checkAgreement } from '../../../format/check-agreement.js'
import { parseBody } from '../../../format/parse-body.js'
import { partyOf } from '../../../format/signed-agreement.js'
import { digestOf, readUnverified } from '../../../format/signed-document.js'
import { touchedParts } from '../../../release/rules/amendment.js'
import { otherKeys } from '../../../release/rules/key-change.js'
import { draftedSchedule, parseAgreementChange, type AgreementChange } from '../../party/agreement-draft.js'
import { requireRemoteUrls } from './draft-urls.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile, writeNamedFile } from '../../files.js'
import { parseJson, readPartyCard } from '../../party/party-folder.js'
import { linesOfRelease } from '../../release-lines.js'
import { pinAgreement } from '../../party/pinned-agreements.js'
import { openSigner, signedResult, writeStatement } from '../../party/sign-statement.js'

interface ReviseOptions {
  readonly as: string
  readonly agreement: string
  readonly annex: string
  readonly draft?: string
  readonly vault?: string
  readonly party?: readonly string[]
  readonly without?: readonly string[]
  readonly out: string
}

/** Write the next version of an agreement, unsigned, and its annex sealed to every party of it. @throws EscrowError `AGREEMENT_INVALID`, `FORMAT_INVALID` */
export async function revise(_context: CommandContext, options: ReviseOptions): Promise<CommandResult> {
  const { party, agreement } = await openSigner(options)
  const text = async (path: string) => (await readNamedFile(path, signedDocumentBytesMax)).toString('utf8')
  const annex = parseAnnex(openBytes(await readNamedFile(options.annex, signedDocumentBytesMax), party.identity), agreement.body)
  const change = options.draft === undefined ? {} : parseAgreementChange(await text(options.draft), options.draft)
  requireRemoteUrls(change.sources ?? [], options.draft ?? '')
  const vault =
    options.vault === undefined
      ? agreement.body.vault
      : parseBody(parseJson(await text(options.vault), options.vault), Vault, options.vault)
  const cards = await Promise.all((options.party ?? []).map((path) => readPartyCard(path)))
  const parties = changedParties(agreement.body.parties, cards, options.without ?? [])
  const next = nextVersion({ agreement, annex, change, vault, parties }, new SystemEntropy())
  checkAgreement(next.agreement)
  const path = join(options.out, 'agreement.json')
  const annexPath = join(options.out, 'annex.age')
  const recipients = parties.flatMap(({ recipient }) => (recipient === null ? [] : [recipient]))
  await writeNamedFile(path, canonicalize(next.agreement), { replace: false })
  await writeNamedFile(annexPath, sealBytes(canonicalize(next.annex), recipients, new SystemEntropy()), { replace: false })
  const digest = digestOf(next.agreement)
  const touched = touchedParts(agreement.body, next.agreement)
  const lines = columns([
    ['agreement', `${next.agreement.agreement}, version ${next.agreement.version}`],
    ['digest', `${digest}; all parties compare it before they sign`],
    ['touches', touched.join(', ') || 'nothing that decides a release'],
    ['written to', `${path} and ${annexPath}`],
  ])
  return {
    json: { agreement: next.agreement.agreement, version: next.agreement.version, digest, touched, file: path, annex: annexPath },
    lines,
  }
}

function changedParties(before: readonly Party[], cards: readonly Party[], without: readonly string[]): readonly Party[] {
  const unknown = without.find((name) => !before.some((party) => party.party === name))
  if (unknown !== undefined) throw new EscrowError('NOT_FOUND', `the agreement has no party ${unknown}`)
  const kept = before.filter(({ party }) => !without.includes(party))
  const fresh = cards.filter((card) => !kept.some(({ party }) => party === card.party))
  return [...kept.map((party) => cards.find((card) => card.party === party.party) ?? party), ...fresh]
}

interface Revision {
  readonly agreement: { readonly body: Agreement; readonly digest: string }
  readonly annex: AgreementAnnex
  readonly change: AgreementChange
  readonly vault: Vault
  readonly parties: readonly Party[]
}

function nextVersion(revision: Revision, entropy: Entropy): { readonly agreement: Agreement; readonly annex: AgreementAnnex } {
  const { change, vault, parties } = revision
  const { body, digest } = revision.agreement
  const { sources: drafts, ...fields } = change
  const remotes = drafts === undefined ? revision.annex.remotes : remotesOf(drafts, revision.annex, entropy)
  const sources = drafts === undefined ? body.sources : sourcesOf(drafts, body, remotes)
  const version = body.version + 1
  return {
    agreement: { ...body, ...fields, version, previous: digest, parties: [...parties], vault, sources: [...sources] },
    annex: { ...revision.annex, version, remotes: [...remotes] },
  }
}

type Remotes = AgreementAnnex['remotes']
type DraftSources = NonNullable<AgreementChange['sources']>

/** A remote that stays keeps its salt, so that its digest stays too. */
function remotesOf(drafts: DraftSources, annex: AgreementAnnex, entropy: Entropy): Remotes {
  return drafts.flatMap(({ source, url }) => {
    if (url === undefined) return []
    const kept = annex.remotes.find((remote) => remote.source === source && remote.url === url)
    return [kept ?? { source, url, salt: Buffer.from(entropy.bytes(32)).toString('hex') }]
  })
}

function sourcesOf(drafts: DraftSources, body: Agreement, remotes: Remotes): readonly Source[] {
  return drafts.map((one) => ({
    source: one.source,
    mode: one.mode,
    remoteDigest: remoteDigest(remotes.find((remote) => remote.source === one.source)),
    schedule: draftedSchedule(one, body.sources.find(({ source }) => source === one.source)?.schedule.startsAt ?? body.createdAt),
    fullEveryDays: one.fullEveryDays,
    chainLengthMax: one.chainLengthMax,
  }))
}

/** Show what the next version changes, and sign that it may take the place of the pinned one. @throws EscrowError `AGREEMENT_INVALID`, `AGREEMENT_DIGEST` */
export async function agree(
  _context: CommandContext,
  options: { readonly as: string; readonly agreement: string; readonly reason: string; readonly out: string },
  path: string,
): Promise<CommandResult> {
  const signer = await openSigner(options)
  const { body, digest } = signer.agreement
  const next = await readNext(path)
  if (next.agreement !== body.agreement || next.previous !== digest || next.version !== body.version + 1) {
    throw new EscrowError(
      'AGREEMENT_INVALID',
      `expected version ${body.version + 1} of ${body.agreement}, resting on the one you have pinned`,
    )
  }
  checkAgreement(next)
  partyOf(body, signer.party.card.party)
  const nextDigest = digestOf(next)
  const matter = { next: nextDigest, nextVersion: next.version, reason: options.reason }
  const epoch = body.vault.epochs[0]?.epoch ?? 1
  const signed = await writeStatement(signer, { name: 'agreement-amendment', epoch, out: options.out }, matter)
  await pinAgreement(options.as, { agreement: body.agreement, digest })
  await pinAgreement(options.as, { agreement: body.agreement, digest: nextDigest })
  const result = signedResult('agreement-amendment', signer, signed, options.out)
  return {
    json: { ...(result.json as object), next: nextDigest, touched: touchedParts(body, next) },
    lines: [...linesOfChange(body, next), ...linesOfRelease(next).lines, ...result.lines],
  }
}

/** Before anybody has signed, the file is the bare body. */
async function readNext(path: string): Promise<Agreement> {
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  if (Buffer.from(bytes.subarray(0, 13)).toString('latin1') !== '{"agreement":') return readUnverified(bytes, Agreement, path)
  return parseBody(parseJson(bytes.toString('utf8'), path), Agreement, path)
}

function linesOfChange(before: Agreement, next: Agreement): readonly string[] {
  const touched = touchedParts(before, next)
  const named = ({ parties }: Agreement) => parties.map(({ party }) => party)
  const come = named(next).filter((party) => !named(before).includes(party))
  const leave = named(before).filter((party) => !named(next).includes(party))
  const epochs = ({ vault }: Agreement) => vault.epochs.map(({ epoch }) => epoch).join(', ')
  return columns([
    ['next', `version ${next.version}, digest ${digestOf(next)}`],
    ['touches', touched.join(', ') || 'nothing that decides a release'],
    ...come.map((party): [string, string] => ['comes', party]),
    ...leave.map((party): [string, string] => ['leaves', party]),
    ...otherKeys(before, next).map((party): [string, string] => [
      'other keys',
      `${party}: the service takes them only as \`escrow key-change\` asked`,
    ]),
    ...(epochs(before) === epochs(next) ? [] : [['epochs', `${epochs(before)} before, ${epochs(next)} then`] as const]),
    ...(before.vault.threshold === next.vault.threshold
      ? []
      : [['threshold', `${before.vault.threshold} before, ${next.vault.threshold} then`] as const]),
  ])
}
