import { EscrowError } from '../../../core/errors.js'
import { decodeBase64 } from '../../../crypto/base64.js'
import type { SignedAgreement } from '../../../format/signed-agreement.js'
import { isUnlogged, openCase, type OpenedCase } from '../release/holder-case.js'
import type { ShareFile } from './holder-shares.js'
import type { PartyFolder } from '../../party/party-folder.js'

/** What a released case gives a beneficiary to open. */
export interface OpenableCase {
  readonly source: string
  /** The deposit that was granted; null for the newest that opens. */
  readonly sequence: number | null
  readonly shares: readonly ShareFile[]
}

/**
 * Read from a case what was granted to a beneficiary, and the shares that custodians sealed to it. Everything is verified with the pinned
 * agreement: the grant is an event of the log, each share is signed by the custodian whose index it names.
 *
 * @param wish.request - the id that the case must have; null for any.
 * @param wish.source - which of the granted sources; null when there is only one.
 * @throws EscrowError as `openCase`; `NOT_FOUND` when it is another request or names no such source; `REQUEST_STATE` before access is granted
 */
export async function openableCase(
  wish: { readonly folder: string; readonly request: string | null; readonly source: string | null },
  party: PartyFolder,
  pinned: SignedAgreement,
): Promise<OpenableCase> {
  // Without a log, the service being gone, the shares themselves are the release: this machine guards nothing from its own beneficiary.
  const unlogged = await isUnlogged(wish.folder)
  const one = await openCase(wish.folder, pinned, { now: null, unlogged })
  const { request } = one.request.statement
  if (wish.request !== null && wish.request !== request)
    throw new EscrowError('NOT_FOUND', `expected the case of ${wish.request}, got that of ${request}`)
  const granted = unlogged ? requestedBy(one, party.card.party) : grantedTo(one, party.card.party)
  const wanted = wish.source === null && granted.length === 1 ? granted[0] : granted.find(({ source }) => source === wish.source)
  if (wanted === undefined) {
    throw new EscrowError('NOT_FOUND', `expected --source to be one of ${granted.map(({ source }) => source).join(', ')}`)
  }
  return { ...wanted, shares: sharesFor(one, party) }
}

/** What the request names; the newest deposit that opens where it names none. */
function requestedBy(one: OpenedCase, party: string): readonly { readonly source: string; readonly sequence: number | null }[] {
  const { beneficiaries, deposits } = one.request.statement
  if (beneficiaries.some((beneficiary) => beneficiary.party === party)) return deposits
  throw new EscrowError(
    'REQUEST_STATE',
    `expected a request for ${party}, got one for ${beneficiaries.map((other) => other.party).join(', ')}`,
  )
}

function grantedTo(one: OpenedCase, party: string): readonly { readonly source: string; readonly sequence: number }[] {
  const grant = one.events.findLast(({ event }) => event.type === 'escrow/event/grant-given/v1' && event.beneficiary === party)
  if (grant?.event.type === 'escrow/event/grant-given/v1') return grant.event.deposits
  throw new EscrowError('REQUEST_STATE', `expected the log to show a grant to ${party}, got none yet`)
}

/** Each is one custodian's word: anything else in the folder is left out here, and a wrong value is found out when shares are combined. */
function sharesFor(one: OpenedCase, { card }: PartyFolder): readonly ShareFile[] {
  const { custodians } = one.agreement.body.vault
  return one.shares.flatMap(({ signer, statement }) => {
    if (statement.type !== 'escrow/statement/share-release/v1' || statement.requestDigest !== one.frame.digest) return []
    if (custodians.find((custodian) => custodian.index === statement.index)?.party !== signer) return []
    const sealed = statement.sealedShares.find(({ recipient }) => recipient === card.recipient)
    const envelope = sealed === undefined ? null : decodeBase64(sealed.file)
    return envelope === null ? [] : [{ file: `share of ${signer}`, envelope }]
  })
}
