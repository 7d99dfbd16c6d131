// A case as a party's own client sees it: made from the agreement that the party has pinned, and from nothing that the operator says.
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { EscrowError } from '../../../core/errors.js'
import { documentBytesMax, signedDocumentBytesMax } from '../../../core/limits.js'
import { checkEventChain, type LoggedEvent } from '../../../format/event.js'
import { verifyProvenEvent } from '../../../format/logged-event.js'
import { openAgreement, requireSignatures, type SignedAgreement } from '../../../format/signed-agreement.js'
import type { StatementOf } from '../../../format/statement.js'
import { judgeRegistration } from '../../../release/rules/order-registration.js'
import type { VerifiedStatement, VerifyStatement } from '../../../release/rules/quorum.js'
import { parseReleasePolicy, termsOf } from '../../../release/rules/release-policy.js'
import type { RequestFrame } from '../../../release/rules/release-state.js'
import { frameRequest, type EffectiveOrder } from '../../../release/rules/request-frame.js'
import { peekStatement, verifierOf, verifyStatement } from '../../../release/rules/statement-verifier.js'
import { readEvidenceFiles, type CaseEvidence } from './holder-evidence.js'
import { exists, readNamedFile } from '../../files.js'

const filesMax = 20_000

/** A case that this machine has verified. */
export interface OpenedCase {
  readonly folder: string
  readonly agreement: SignedAgreement
  readonly request: VerifiedStatement & { readonly statement: StatementOf<'release-request'> }
  readonly frame: RequestFrame
  readonly verify: VerifyStatement
  /** The registrations of the order behind it, verified; empty when there is none. */
  readonly orders: readonly VerifiedStatement[]
  readonly statements: readonly VerifiedStatement[]
  readonly shares: readonly VerifiedStatement[]
  /** The request's whole chain in the log, each event proven. */
  readonly events: readonly LoggedEvent[]
  /** When each statement was taken down, by digest; without a log, when its signer says that it was signed. */
  readonly recorded: ReadonlyMap<string, string>
  /** It was judged without a log, because the service is gone. */
  readonly unlogged: boolean
  /** Documents that request, order and statements name, each with its verified file or none. */
  readonly evidence: readonly CaseEvidence[]
  /** What this party heard itself and the log does not show. */
  readonly hidden: readonly VerifiedStatement[]
}

/** By what a case is judged beside the pinned agreement. */
export interface CaseView {
  /** An expired request is refused; null where it was admitted in time and only its shares are due. */
  readonly now: Date | null
  /** Files of statements that parties sent directly; those under other agreements or about other requests are left aside. */
  readonly heard?: readonly string[] | undefined
  /** Judge without the log: only where its silence is proven (holder-outage.ts), or nothing depends on it. */
  readonly unlogged?: boolean | undefined
}

/**
 * Read and verify a case folder.
 *
 * @param folder - what `escrow release publish` wrote; attacker-controlled.
 * @param pinned - the agreement as this party pinned it at arming.
 * @param view.heard - a statement among them that does not verify is refused, because somebody forged it.
 * @throws EscrowError `AGREEMENT_DIGEST` when the operator shows another agreement; `SIGNATURE_INVALID`, `STATEMENT_INVALID`,
 *   `STATEMENT_EXPIRED`; `PROOF_INVALID`, `CHECKPOINT_INVALID`, `WITNESS_POLICY`, `CHAIN_BROKEN` when the log does not show the request
 */
export async function openCase(folder: string, pinned: SignedAgreement, view: CaseView): Promise<OpenedCase> {
  await requirePinned(folder, pinned)
  const requestBytes = await readNamedFile(join(folder, 'request.json'), signedDocumentBytesMax)
  const orders = await readAll(join(folder, 'orders'))
  const heard = await readHeard(view.heard ?? [], pinned, peekStatement(requestBytes).digest)
  const unlogged = view.unlogged === true
  const shown = await readAll(join(folder, 'statements'))
  // Without a log nothing can be hidden from it: what was heard counts like what lies in the folder.
  const statements = unlogged ? new Map([...shown, ...heard]) : shown
  const shares = await readAll(join(folder, 'shares'))
  const { digest } = peekStatement(requestBytes)
  const verify = verifierOf(pinned, new Map([[digest, requestBytes], ...orders, ...statements, ...shares, ...heard]))
  const request = requireRequest(verify(digest))
  const order = orderOf(
    request.statement,
    pinned,
    [...orders.keys()].map((one) => verify(one)),
  )
  const { body } = pinned
  const at = view.now ?? new Date(request.statement.issuedAt)
  const frame = frameRequest({
    verified: request,
    agreement: body,
    agreementDigest: pinned.digest,
    epoch: request.statement.epoch,
    order,
    now: at,
  })
  const events = unlogged ? [] : await readLog(join(folder, 'log'), pinned, request)
  const verified = (some: ReadonlyMap<string, Uint8Array>) => [...some.keys()].map((one) => verify(one))
  const evidence = await readEvidenceFiles(folder, [request, ...verified(orders), ...verified(statements)])
  const said = verified(statements)
  const recorded = unlogged ? new Map(said.map((one) => [one.digest, one.statement.issuedAt])) : recordedIn(events)
  return {
    folder,
    agreement: pinned,
    request,
    frame,
    verify,
    events,
    recorded,
    unlogged,
    evidence,
    hidden: verified(heard).filter((one) => !recorded.has(one.digest)),
    orders: verified(orders),
    statements: said,
    shares: verified(shares),
  }
}

/** Whether a case came without the log: gathered from files, because there is no service. Who only objects or opens needs none. */
export async function isUnlogged(folder: string): Promise<boolean> {
  return !(await exists(join(folder, 'log')))
}

async function requirePinned(folder: string, pinned: SignedAgreement): Promise<void> {
  const { digest } = openAgreement(await readNamedFile(join(folder, 'agreement.json'), signedDocumentBytesMax))
  if (digest === pinned.digest) return
  throw new EscrowError('AGREEMENT_DIGEST', `expected the case under the agreement you pinned, ${pinned.digest}, got ${digest}`)
}

/** The agreements that a party has pinned, by digest. @throws EscrowError `SIGNATURE_INVALID`, `FILE_UNREADABLE` */
export async function openPinned(paths: readonly string[]): Promise<ReadonlyMap<string, SignedAgreement>> {
  const pinned = new Map<string, SignedAgreement>()
  for (const path of paths) {
    const agreement = openAgreement(await readNamedFile(path, signedDocumentBytesMax))
    requireSignatures(agreement, { agent: true })
    pinned.set(agreement.digest, agreement)
  }
  return pinned
}

/** Which of the pinned agreements a case belongs to. @throws EscrowError `AGREEMENT_DIGEST` when it is none of them */
export async function pinnedFor(folder: string, pinned: ReadonlyMap<string, SignedAgreement>): Promise<SignedAgreement> {
  const { digest } = openAgreement(await readNamedFile(join(folder, 'agreement.json'), signedDocumentBytesMax))
  const found = pinned.get(digest)
  if (found !== undefined) return found
  throw new EscrowError('AGREEMENT_DIGEST', `${folder}: expected a case under an agreement that you pinned, got ${digest}`)
}

/** Refuse a case whose log lacks what this party heard itself. @throws EscrowError `STATEMENT_HIDDEN` */
export function requireNothingHidden(one: OpenedCase): void {
  const [hidden] = one.hidden
  if (hidden === undefined) return
  const words = `${hidden.statement.type} by ${hidden.signer}, ${hidden.digest.slice(0, 16)}`
  throw new EscrowError('STATEMENT_HIDDEN', `expected the log to show the ${words}, which you received yourself, got nothing`)
}

/** When each statement was recorded, by digest. */
function recordedIn(events: readonly LoggedEvent[]): ReadonlyMap<string, string> {
  return new Map(events.flatMap(({ event }) => (event.type === 'escrow/event/statement-recorded/v1' ? [[event.statement, event.at]] : [])))
}

async function readAll(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const documents = new Map<string, Uint8Array>()
  for (const path of await filesIn(folder)) {
    const bytes = await readNamedFile(path, signedDocumentBytesMax)
    documents.set(peekStatement(bytes).digest, bytes)
  }
  return documents
}

/** Statements that came past the operator. Only those that could change a judgement of this request are kept. */
async function readHeard(paths: readonly string[], pinned: SignedAgreement, request: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const heard = new Map<string, Uint8Array>()
  for (const path of paths) {
    const bytes = await readNamedFile(path, signedDocumentBytesMax)
    if (peekStatement(bytes).statement.agreement !== pinned.digest) continue
    const verified = verifyStatement(bytes, pinned)
    if (isAbout(verified, request)) heard.set(verified.digest, bytes)
  }
  return heard
}

function isAbout({ statement }: VerifiedStatement, request: string): boolean {
  if (statement.type === 'escrow/statement/ruling/v1') return statement.subject.digest === request
  if (statement.type === 'escrow/statement/legal-hold/v1') return statement.requestDigest === null || statement.requestDigest === request
  if ('covers' in statement) return statement.covers.some((cover) => cover.requestDigest === request)
  return 'requestDigest' in statement && statement.requestDigest === request
}

async function readLog(folder: string, pinned: SignedAgreement, request: OpenedCase['request']): Promise<readonly LoggedEvent[]> {
  const events: LoggedEvent[] = []
  for (const path of await filesIn(folder)) events.push(verifyProvenEvent(await readNamedFile(path, documentBytesMax), pinned.body))
  checkEventChain(events)
  const [first] = events
  const subject = first?.event.subject
  if (subject !== request.statement.request || !recordedIn(events).has(request.digest)) {
    throw new EscrowError('PROOF_INVALID', 'expected the log to show this request, got nothing about it')
  }
  return events
}

async function filesIn(folder: string): Promise<readonly string[]> {
  if (!(await exists(folder))) return []
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  if (names.length > filesMax) throw new EscrowError('FORMAT_INVALID', `${basename(folder)}: expected at most ${filesMax} files`)
  return names.map((name) => join(folder, name))
}

function requireRequest(verified: VerifiedStatement): OpenedCase['request'] {
  const { statement, signer } = verified
  if (statement.type !== 'escrow/statement/release-request/v1') throw new EscrowError('STATEMENT_INVALID', 'expected a release request')
  if (signer !== statement.party) {
    throw new EscrowError('SIGNATURE_INVALID', `expected a signature by ${statement.party}, got one by ${signer}`)
  }
  return { ...verified, statement }
}

/** The order stands only if parties of this agreement signed it who may register one. */
function orderOf(
  request: StatementOf<'release-request'>,
  pinned: SignedAgreement,
  documents: readonly VerifiedStatement[],
): EffectiveOrder | null {
  if (request.order === null) return null
  const registrations = documents.filter(({ statement }) => statement.type === 'escrow/statement/shutdown-order/v1')
  if (!registrations.some(({ digest }) => digest === request.order)) {
    throw new EscrowError('STATEMENT_INVALID', 'expected the order behind the request among its documents, got none')
  }
  const registrants = [...new Set(registrations.map(({ signer }) => signer))]
  const terms = termsOf(parseReleasePolicy(pinned.body.release), request.condition)
  if (judgeRegistration(registrants, pinned.body.parties, terms) === 'incomplete') {
    throw new EscrowError(
      'SIGNER_REFUSED',
      `expected an order registered by the depositor or by two parties, got ${registrants.join(', ')}`,
    )
  }
  return { digest: request.order, registrants, bySilence: false }
}

/** The signed order of an order's folder or file, verified with the pinned agreement. @throws EscrowError `SIGNATURE_INVALID`, `STATEMENT_INVALID` */
export async function openOrder(path: string, pinned: SignedAgreement): Promise<VerifiedStatement> {
  const inFolder = join(path, 'order.json')
  const bytes = await readNamedFile((await exists(inFolder)) ? inFolder : path, signedDocumentBytesMax)
  const verified = verifyStatement(bytes, pinned)
  if (verified.statement.type === 'escrow/statement/shutdown-order/v1') return verified
  throw new EscrowError('STATEMENT_INVALID', `expected a shutdown order, got ${verified.statement.type}`)
}
