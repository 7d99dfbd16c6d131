import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { encodeBase64 } from '../../../crypto/base64.js'
import { dealVault as dealEpoch, checkShare, shareSigningKey } from '../../../crypto/holder/vault-shares.js'
import { openBytes } from '../../../crypto/holder/open-envelope.js'
import { sealBytes } from '../../../crypto/seal-envelope.js'
import { checkVault } from '../../../crypto/vault-commitments.js'
import type { Party, Vault, VaultEpoch } from '../../../format/agreement.js'
import { encodeShare, parseShare, type ShareText } from '../../../format/share.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import { signDocument } from '../../../format/signed-document.js'
import { ShareAccept, ShareHealth } from '../../../format/statement.js'
import { shareHealthText } from '../../../format/check-statement.js'
import { columns, required, type CommandContext, type CommandResult } from '../../command.js'
import { freshFolder, ofFile, readNamedFile, writeNamedFile } from '../../files.js'
import { openPartyFolder, readPartyCard, type PartyFolder } from '../../party/party-folder.js'
import { pinAgreement } from '../../party/pinned-agreements.js'
import { firstFieldsOf } from '../../party/statement-fields.js'

/** Days that a custodian's acceptance or proof may be presented. */
const acceptanceDays = 90
const shareFileBytesMax = 64 * 1024

/** Deal the current epoch and its reserve; shares leave this process only sealed to their custodians. */
export async function dealVault(
  _context: CommandContext,
  options: { readonly threshold: number; readonly custodian: readonly string[]; readonly epoch: number },
  folder: string,
): Promise<CommandResult> {
  const cards = await Promise.all(options.custodian.map((path) => readPartyCard(path)))
  if (new Set(cards.map((card) => card.party)).size !== cards.length)
    throw new EscrowError('ARGUMENT_INVALID', 'expected each custodian once')
  const other = cards.find((card) => card.role !== 'custodian')
  if (other !== undefined) throw new EscrowError('ARGUMENT_INVALID', `expected cards of custodians, got ${other.party}, a ${other.role}`)
  await freshFolder(folder)
  const epochs: VaultEpoch[] = []
  for (const epoch of [options.epoch, options.epoch + 1]) epochs.push(await dealOne(folder, { epoch, threshold: options.threshold, cards }))
  const vault: Vault = {
    suite: 'x25519-rfc9591',
    threshold: options.threshold,
    custodians: cards.map((card, place) => ({ index: place + 1, party: card.party })),
    epochs,
  }
  await writeNamedFile(join(folder, 'vault.json'), `${JSON.stringify(vault, undefined, 2)}\n`)
  const lines = columns([
    ['vault', `${options.threshold} of ${cards.length}`],
    ...epochs.map(({ epoch, recipient }): [string, string] => [
      epoch === options.epoch ? `epoch ${epoch}` : `epoch ${epoch} (reserve)`,
      recipient,
    ]),
    ['written to', `${folder}/vault.json; each file in ${folder}/shares goes to its custodian, then delete the folder`],
  ])
  return {
    json: {
      threshold: options.threshold,
      custodians: cards.length,
      epochs: epochs.map(({ epoch, recipient }) => ({ epoch, recipient })),
      folder,
    },
    lines,
  }
}

async function dealOne(
  folder: string,
  wish: { readonly epoch: number; readonly threshold: number; readonly cards: readonly Party[] },
): Promise<VaultEpoch> {
  const entropy = new SystemEntropy()
  const dealt = dealEpoch({ threshold: wish.threshold, custodians: wish.cards.length }, entropy)
  try {
    for (const [place, share] of dealt.shares.entries()) {
      const card = wish.cards[place]
      if (card?.recipient == null) throw new EscrowError('ARGUMENT_INVALID', `custodian ${card?.party ?? place + 1} has no age recipient`)
      const text = encodeShare({ vault: dealt.recipient, ...share })
      await writeNamedFile(join(folder, 'shares', `${card.party}-epoch-${wish.epoch}.age`), sealBytes(text, [card.recipient], entropy), {
        secret: true,
      })
      text.fill(0)
    }
    return { epoch: wish.epoch, recipient: dealt.recipient, commitments: [...dealt.commitments] }
  } finally {
    dealt.wipe()
  }
}

interface AcceptOptions {
  readonly as: string
  readonly agreement: string
  readonly share: readonly string[]
  readonly out: string
}

/** Check a custodian's shares of every epoch and sign that they open this agreement's vault. @throws EscrowError `SHARE_INVALID`, `VAULT_INVALID`, `SIGNATURE_INVALID` */
export async function acceptVault(_context: CommandContext, options: AcceptOptions): Promise<CommandResult> {
  const party = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const shares = await openShares(agreement, party, options.share)
  const absent = agreement.body.vault.epochs.filter((epoch) => !shares.some((share) => share.epoch.epoch === epoch.epoch))
  if (absent.length > 0)
    throw new EscrowError('SHARE_INVALID', `expected a share of every epoch, got none of ${absent.map((one) => one.epoch).join(', ')}`)
  const now = new SystemClock().now()
  for (const { epoch, text } of shares) {
    const fields = firstFieldsOf(agreement, { party, epoch: epoch.epoch, now, days: acceptanceDays })
    const body = { type: 'escrow/statement/share-accept/v1' as const, ...fields, index: text.index, recipient: epoch.recipient }
    const document = signDocument({ body, schema: ShareAccept, key: party.signingKey })
    await writeNamedFile(join(options.out, `share-accept-${text.index}-epoch-${epoch.epoch}.json`), document)
  }
  await pinAgreement(options.as, { agreement: agreement.body.agreement, digest: agreement.digest })
  const epochs = shares.map(({ epoch }) => epoch.epoch)
  const lines = columns([
    ['agreement', `${agreement.body.agreement}: ${agreement.body.title}`],
    ['digest', `${agreement.digest}; compare it with the other parties`],
    ['accepted', `share ${shares[0]?.text.index ?? 0} of epochs ${epochs.join(' and ')}: it opens this vault`],
  ])
  return { json: { agreement: agreement.body.agreement, digest: agreement.digest, index: shares[0]?.text.index, epochs }, lines }
}

/** A share that opens its epoch of the agreement's vault. */
export interface OpenedShare {
  readonly epoch: VaultEpoch
  readonly text: ShareText
}

/**
 * Open a custodian's sealed shares and check each against the agreement.
 *
 * @throws EscrowError `SHARE_INVALID` for a share of another vault, index or value; `ENVELOPE_*`; `FORMAT_INVALID`
 */
export async function openShares(
  agreement: SignedAgreement,
  party: PartyFolder,
  paths: readonly string[],
): Promise<readonly OpenedShare[]> {
  const { vault } = agreement.body
  const index = vault.custodians.find((custodian) => custodian.party === party.card.party)?.index
  if (index === undefined) throw new EscrowError('SHARE_INVALID', `${party.card.party} is no custodian of this agreement`)
  const opened: OpenedShare[] = []
  for (const path of paths) {
    const sealed = await readNamedFile(path, shareFileBytesMax)
    const text = ofFile(path, () => parseShare(openBytes(sealed, party.identity)))
    const epoch = vault.epochs.find((candidate) => candidate.recipient === text.vault)
    if (epoch === undefined)
      throw new EscrowError('SHARE_INVALID', `${path}: expected a share of this agreement's vault, got one of ${text.vault}`)
    if (text.index !== index) throw new EscrowError('SHARE_INVALID', `${path}: expected share ${index}, got share ${text.index}`)
    ofFile(path, () => checkShare(checkVault(epoch, vault.threshold), text))
    opened.push({ epoch, text })
  }
  return opened
}

/** Who proves which shares, and where the proofs go. */
export interface ProofOptions {
  readonly as: string
  readonly share?: readonly string[]
  readonly out?: string
}

/** Prove that shares are still there. @throws EscrowError `ARGUMENT_INVALID`, `SHARE_INVALID`, `KEY_*`, `FILE_UNREADABLE` */
export async function proveShares(agreement: SignedAgreement, options: ProofOptions): Promise<CommandResult> {
  const party = await openPartyFolder(options.as)
  const out = required(options.out, '--out with --as')
  const shares = await openShares(agreement, party, required(options.share, '--share with --as'))
  for (const { epoch, text } of shares) {
    const fields = firstFieldsOf(agreement, { party, epoch: epoch.epoch, now: new SystemClock().now(), days: acceptanceDays })
    const unproved = { type: 'escrow/statement/share-health/v1' as const, ...fields, index: text.index, recipient: epoch.recipient }
    const proof = encodeBase64(shareSigningKey(text).sign(shareHealthText(unproved)))
    const document = signDocument({ body: { ...unproved, proof }, schema: ShareHealth, key: party.signingKey })
    await writeNamedFile(join(out, `share-health-${text.index}-epoch-${epoch.epoch}.json`), document)
  }
  const epochs = shares.map(({ epoch }) => epoch.epoch)
  return {
    json: { index: shares[0]?.text.index, epochs },
    lines: [`proved share ${shares[0]?.text.index ?? 0} of epochs ${epochs.join(' and ')}; the proofs are in ${out}`],
  }
}
