// The documents of one deposit for a party: from a copy of the archive, or from a service over the network. Everything but
// what was explained there is verified here with the agreement that the party has pinned.
import { SystemClock } from '../../../core/environment.js'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { inventoryBytesMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { sha256Hex } from '../../../crypto/digest.js'
import { openOwnBytes } from '../../../crypto/open-own-bytes.js'
import { parseInventory } from '../../../format/check-inventory.js'
import { reportCompleteness, type Completeness } from '../../../format/completeness.js'
import { DepositKind, type Inventory, type Manifest } from '../../../format/manifest.js'
import { checkReceipt } from '../../../format/receipt.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import { verifyReceipt } from '../../../format/verify-receipt.js'
import { trustAgreement } from '../../../store/archive-agreement.js'
import { openManifest, type ArchivedDeposit } from '../../../store/archived-deposit.js'
import type { DepositPlace } from '../../../store/object-key.js'
import { readHistory } from '../../../store/source-history.js'
import { readNamedFile } from '../../files.js'
import { openInventory } from './holder-inventory.js'
import { openNamedArchive } from '../../open-archive.js'
import { openPartyFolder } from '../../party/party-folder.js'
import { fetchDeposit } from '../../service/fetch-deposit.js'
import type { ServiceAddress } from '../../service/service-http.js'

/** Which deposit, who asks, and with what. */
export interface PartyWish {
  /** The keys of the party. */
  readonly as: string
  /** The agreement as pinned. */
  readonly agreement: string
  readonly source: string
  /** Null for the newest. */
  readonly sequence: number | null
}

/**
 * How complete a deposit in a copy of the archive is.
 *
 * @throws EscrowError `NOT_FOUND`, `SIGNATURE_INVALID`, `AGREEMENT_*`, `OBJECT_*`, `DIGEST_MISMATCH`
 */
export async function reportFromArchive(from: string, wish: PartyWish, signal: AbortSignal): Promise<Completeness> {
  const pinned = await pinnedAgreement(wish)
  const { identity } = await openPartyFolder(wish.as)
  const reader = await openNamedArchive(from)
  const tree = await reader.tree(pinned.body.agreement, wish.source, signal)
  const folders = tree.sources.get(wish.source) ?? []
  const { agreement: trusted } = await trustAgreement(reader, tree, pinned, signal)
  const now = new SystemClock().now()
  const history = await readHistory(reader, { source: wish.source, folders, trusted, now }, signal)
  const deposit = wished(history.published, wish)
  const { manifest, digest, receipt, explanations } = deposit
  const inventory = await openInventory(reader, deposit, identity, signal).catch(namelessOr)
  const explained = explanations.flatMap((statement) => statement.codes)
  return reportCompleteness({ manifest, manifestDigest: digest, receipted: receipt !== null, inventory, explained, attachments: [] })
}

function wished(published: readonly ArchivedDeposit[], { source, sequence }: PartyWish): ArchivedDeposit {
  const found = sequence === null ? published.at(-1) : published.find(({ place }) => place.sequence === sequence)
  if (found !== undefined) return found
  throw new EscrowError(
    'NOT_FOUND',
    `expected ${sequence === null ? 'a deposit' : `deposit ${sequence}`} of ${source} with a receipt, got none`,
  )
}

/**
 * How complete a deposit of a service is. What the depositor has explained is the service's word; all else is verified.
 *
 * @throws EscrowError as `reportFromArchive`; `SERVICE_*`, and what the service refuses with
 */
export async function reportFromService(service: ServiceAddress, wish: PartyWish, signal: AbortSignal): Promise<Completeness> {
  const pinned = await pinnedAgreement(wish)
  const { identity } = await openPartyFolder(wish.as)
  const { agreement } = pinned.body
  const given = await fetchDeposit(service, { ...wish, agreement }, signal)
  const place: DepositPlace = { agreement, source: wish.source, sequence: given.sequence, kind: DepositKind.parse(given.kind) }
  const trusted = { pinned: true, newest: pinned, versions: new Map([[pinned.digest, pinned]]) }
  const { manifest, digest } = openManifest(given.manifest, place, trusted)
  const inventory = openGiven(given.inventory, manifest, identity)
  const receipted = given.receipt === null ? null : receiptHolds(given.receipt, { pinned, manifest, digest })
  return reportCompleteness({ manifest, manifestDigest: digest, receipted, inventory, explained: given.explained, attachments: [] })
}

function openGiven(sealed: Uint8Array | null, manifest: Manifest, identity: string): Inventory | null {
  if (sealed === null) return null
  requireSize(manifest)
  const sha256 = sha256Hex(sealed)
  if (sha256 !== manifest.inventory.sha256)
    throw new EscrowError('DIGEST_MISMATCH', `expected the inventory ${manifest.inventory.sha256}, got ${sha256}`)
  try {
    return parseInventory(openOwnBytes(sealed, identity), manifest, 'the inventory')
  } catch (error) {
    return namelessOr(error)
  }
}

/** Null for who may see no names: it is sealed to others. */
function namelessOr(error: unknown): null {
  if (isEscrowError(error, 'ENVELOPE_RECIPIENT')) return null
  throw error
}

/** A receipt that does not hold is an answer, not a reason to give none. */
function receiptHolds(
  receipt: Uint8Array,
  { pinned, manifest, digest }: { readonly pinned: SignedAgreement; readonly manifest: Manifest; readonly digest: string },
): boolean {
  try {
    checkReceipt(verifyReceipt(receipt, pinned).receipt, manifest, digest)
    return true
  } catch (error) {
    if (isEscrowError(error)) return false
    throw error
  }
}

async function pinnedAgreement({ agreement }: PartyWish): Promise<SignedAgreement> {
  const pinned = openAgreement(await readNamedFile(agreement, signedDocumentBytesMax))
  requireSignatures(pinned, { agent: true })
  return pinned
}

function requireSize({ inventory }: Manifest): void {
  if (inventory.sizeBytes <= inventoryBytesMax) return
  throw new EscrowError('FORMAT_INVALID', `expected an inventory of at most ${inventoryBytesMax} bytes, got ${inventory.sizeBytes}`)
}
