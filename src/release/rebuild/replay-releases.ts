/**
 * Requests, orders and grants made again from what the log tells and the documents that it names: the folds that decided then decide again, with
 * the moments of the events. Where the log says another state than the fold comes to, somebody has altered one of them.
 */
import { EscrowError, isEscrowError } from '../../core/errors.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import type { Event, EventOf } from '../../format/event.js'
import type { StatementOf } from '../../format/statement.js'
import { orderProgressRow } from '../order/advance-order.js'
import { unavailableParties, type Unavailable } from '../request/availability.js'
import { changesAvailability } from '../request/count-availability.js'
import type { GrantRow } from '../grant/grant.table.js'
import { orderDeadlineOf, type OrderFrame } from '../rules/order-state.js'
import { progressRow } from '../record-turn.js'
import type { VerifyStatement } from '../rules/quorum.js'
import type { NewHeldShare, OrderRow, RequestRow, StatementRow } from '../release.table.js'
import { parseReleasePolicy } from '../rules/release-policy.js'
import { advance, submit, type ReleaseInput } from '../rules/release-request.js'
import { deadlineOf, type RequestFrame } from '../rules/release-state.js'
import { frameRequest } from '../rules/request-frame.js'
import { advanceOrder, effectiveOrder, registerOrder, type OrderInput } from '../rules/shutdown-order.js'
import { peekStatement, verifierOf } from '../rules/statement-verifier.js'

const dayMs = 86_400_000

/** What a replay reads beside events. */
export interface ReplayLibrary {
  /** Statements that events tell of, by digest; each is verified when it counts. */
  readonly documents: ReadonlyMap<string, Uint8Array>
  /** An agreement version by its digest. */
  version(digest: string): Promise<KnownAgreement>
  orderFrame(known: KnownAgreement): Promise<OrderFrame>
}

/** Rows as they were before the index was lost. */
export interface ReplayedReleases {
  readonly requests: readonly Omit<RequestRow, 'revision'>[]
  readonly orders: readonly Omit<OrderRow, 'revision'>[]
  readonly statements: readonly StatementRow[]
  /** Shares that were passed on; those that were held back are in no log. */
  readonly shares: readonly NewHeldShare[]
  readonly grants: readonly GrantRow[]
}

interface RequestReplay {
  row: Omit<RequestRow, 'revision'>
  readonly frame: RequestFrame
  readonly known: KnownAgreement
  /** Transitions that the log has told. */
  told: number
  last: string
}

interface OrderReplay {
  row: Omit<OrderRow, 'revision'>
  readonly frame: OrderFrame
  readonly known: KnownAgreement
  told: number
  last: string
}

type Recorded = EventOf<'statement-recorded'>

/** Replays events one after the other, in the order of the log. */
export class ReplayReleases {
  readonly #requests = new Map<string, RequestReplay>()
  readonly #orders = new Map<string, OrderReplay>()
  readonly #grants = new Map<string, GrantRow>()
  readonly #statements: StatementRow[] = []
  readonly #shares: NewHeldShare[] = []
  /** Digest of the version in force, by agreement. */
  readonly #inForce = new Map<string, string>()
  /** What was said that can change who may vote, by agreement. */
  readonly #availability = new Map<string, Recorded[]>()

  constructor(private readonly library: ReplayLibrary) {}

  /** @throws EscrowError `CHAIN_BROKEN` when the log tells of what the documents do not give; as the folds and the verifier do */
  async apply(event: Event): Promise<void> {
    if (event.type === 'escrow/event/agreement-registered/v1' || event.type === 'escrow/event/agreement-amended/v1')
      this.#inForce.set(event.agreement, event.digest)
    else if (event.type === 'escrow/event/statement-recorded/v1') await this.statement(event)
    else if (event.type === 'escrow/event/request-advanced/v1') await this.requestAdvanced(event)
    else if (event.type === 'escrow/event/order-advanced/v1') this.orderAdvanced(event)
    else if (event.type === 'escrow/event/grant-given/v1') this.granted(event)
    else if (event.type === 'escrow/event/grant-revoked/v1')
      this.changeGrant(event.request, event.beneficiary, (grant) => ({ revokedAt: grant.revokedAt ?? new Date(event.at) }))
    else if (event.type === 'escrow/event/return-due/v1')
      this.changeGrant(event.request, event.beneficiary, () => ({ returnDueAt: new Date(event.at) }))
  }

  /** @throws EscrowError `CHAIN_BROKEN` when a request or order does not stand where the log says */
  result(): ReplayedReleases {
    for (const { row, told, last } of [...this.#requests.values(), ...this.#orders.values()]) {
      if (row.progress.events === told && row.state === last) continue
      throw broken(`the log tells of ${told} steps up to ${last}, the documents give ${row.progress.events} up to ${row.state}`)
    }
    return {
      requests: [...this.#requests.values()].map(({ row }) => row),
      orders: [...this.#orders.values()].map(({ row }) => row),
      statements: this.#statements,
      shares: this.#shares,
      grants: [...this.#grants.values()],
    }
  }

  /** Where a statement lies says what it was recorded about (`objectKeys`). */
  private async statement(event: Recorded): Promise<void> {
    const [, , folder = '', about = ''] = event.key.split('/')
    const at = new Date(event.at)
    const { agreement, key, statement: digest, statementType: type, party } = event
    const row = { digest, agreementId: agreement, key, type, party, recordedAt: at }
    if (folder === 'statements') this.#statements.push({ ...row, subject: agreement })
    if (folder === 'drills') this.#statements.push({ ...row, subject: about })
    if (changesAvailability(type)) this.#availability.set(agreement, [...(this.#availability.get(agreement) ?? []), event])
    if (type === 'escrow/statement/share-release/v1') return this.share(event, about)
    if (folder === 'releases') {
      this.#statements.push({ ...row, subject: about })
      await this.aboutRequest(event, about)
    }
    if (folder === 'orders') {
      this.#statements.push({ ...row, subject: about })
      await this.aboutOrder(event, about)
    }
  }

  private share({ at, statement: digest, party }: Recorded, requestId: string): void {
    const document = this.library.documents.get(digest)
    if (document === undefined) throw broken(`expected the share release ${digest.slice(0, 16)}`)
    const moment = new Date(at)
    this.#shares.push({ requestId, digest, party, document, receivedAt: moment, releasedAt: moment, storedAt: moment })
  }

  private async aboutRequest(event: Recorded, requestId: string): Promise<void> {
    const known = this.#requests.get(requestId)
    if (event.statementType === 'escrow/statement/release-request/v1' && known === undefined) return this.submitted(event, requestId)
    if (known === undefined) throw broken(`a statement about ${requestId} comes before the request`)
    if (event.statementType === 'escrow/statement/grant-revocation/v1') return
    if (event.statementType === 'escrow/statement/return-confirmation/v1')
      return this.changeGrant(requestId, event.party, (grant) => ({ returnedAt: grant.returnedAt ?? new Date(event.at) }))
    this.advanceRequest(known, { kind: 'statement', digest: event.statement }, new Date(event.at))
  }

  private async submitted(event: Recorded, requestId: string): Promise<void> {
    const bytes = this.library.documents.get(event.statement)
    if (bytes === undefined) throw broken(`expected the request ${event.statement.slice(0, 16)}`)
    const known = await this.library.version(peekStatement(bytes).statement.agreement)
    const verify = this.verifier(known)
    const verified = verify(event.statement)
    const { statement } = verified
    if (statement.type !== 'escrow/statement/release-request/v1') throw broken(`expected a release request, got ${statement.type}`)
    const now = new Date(event.at)
    const pinned = { agreement: known.signed.body, agreementDigest: known.signed.digest }
    const order = this.orderBehind(statement, event.agreement, verify)
    const frame = frameRequest({ verified: { ...verified, statement }, ...pinned, epoch: statement.epoch, order, now })
    const unavailable = (await this.unavailable(event.agreement)).map(({ party }) => party)
    const step = submit({ frame, now, verify }, unavailable)
    const { order: orderDigest, epoch } = statement
    const which = { requestId, agreementId: event.agreement, requestDigest: event.statement, agreementDigest: known.signed.digest }
    const row = { ...which, epoch, orderDigest, submittedAt: now, ...progressRow(step) }
    this.#requests.set(requestId, { row, frame, known, told: 0, last: '' })
    const asked = orderDigest === null ? undefined : this.#orders.get(`${orderDigest} ${event.agreement}`)
    // From the moment on at which it has its request nothing of the order is due.
    if (asked !== undefined) asked.row = { ...asked.row, requestId, dueAt: null }
  }

  private orderBehind({ order }: StatementOf<'release-request'>, agreementId: string, verify: VerifyStatement) {
    if (order === null) return null
    const found = this.#orders.get(`${order} ${agreementId}`)
    const effective = found === undefined ? null : effectiveOrder(found.row.progress, verify)
    if (effective === null) throw broken(`expected an effective order ${order.slice(0, 16)} behind a request`)
    return effective
  }

  /** What no statement about the request has brought about, time did, shares passed on, or a word about who can still vote. */
  private async requestAdvanced(event: EventOf<'request-advanced'>): Promise<void> {
    const one = this.#requests.get(event.request)
    if (one === undefined) throw broken(`a step of ${event.request} comes before the request`)
    one.told += 1
    one.last = event.to
    if (one.row.progress.events >= one.told) return
    this.advanceRequest(one, await this.inputOf(event), new Date(event.at))
  }

  private async inputOf({ request, agreement, to, cause, statement }: EventOf<'request-advanced'>): Promise<ReleaseInput> {
    if (cause === 'clock') return { kind: 'clock' }
    if (to === 'released') return this.sharesOf(request)
    const parties = (await this.unavailable(agreement)).map(({ party }) => party).sort()
    const word = this.#availability.get(agreement)?.find((said) => said.statement === statement)
    if (word === undefined) throw broken(`${request} was moved by a statement that the log does not show`)
    return { kind: 'unavailable', parties, decidedBy: { digest: word.statement, party: word.party, type: word.statementType } }
  }

  /** As it was counted then: with the version that was in force, whose keys may have taken others' places. */
  private async unavailable(agreement: string): Promise<readonly Unavailable[]> {
    const known = await this.library.version(this.#inForce.get(agreement) ?? '')
    const verify = this.verifier(known)
    const said = (this.#availability.get(agreement) ?? []).filter((one) => one.statementType === 'escrow/statement/availability/v1')
    const verified = said.flatMap((one) => {
      try {
        return [verify(one.statement)]
      } catch (error) {
        if (isEscrowError(error, 'SIGNATURE_INVALID')) return []
        throw error
      }
    })
    return unavailableParties(verified, known.signed.body.parties)
  }

  /** What had been passed on by then, in the order of the log; the log tells of shares before it tells what they released. */
  private sharesOf(requestId: string): ReleaseInput {
    return { kind: 'shares', digests: this.#shares.filter((share) => share.requestId === requestId).map((share) => share.digest) }
  }

  private advanceRequest(one: RequestReplay, input: ReleaseInput, at: Date): void {
    const { frame, known } = one
    const verify = this.verifier(known)
    const { progress } = one.row
    const step = inTime(at, deadlineOf(progress.state), (now) => advance(progress, input, { frame, now, verify }))
    one.row = { ...one.row, ...progressRow(step) }
  }

  private async aboutOrder(event: Recorded, orderDigest: string): Promise<void> {
    const key = `${orderDigest} ${event.agreement}`
    const one = this.#orders.get(key)
    const at = new Date(event.at)
    if (one !== undefined) return this.advanceOrder(one, { kind: 'statement', digest: event.statement }, at)
    const known = await this.library.version(this.#inForce.get(event.agreement) ?? '')
    const frame = await this.library.orderFrame(known)
    const step = registerOrder(event.statement, { frame, now: at, verify: this.verifier(known) })
    const which = { orderDigest, agreementId: event.agreement, agreementDigest: known.signed.digest, requestId: null }
    this.#orders.set(key, { row: { ...which, ...orderProgressRow(step, null, at) }, frame, known, told: 0, last: '' })
  }

  private orderAdvanced({ order, agreement, to, at }: EventOf<'order-advanced'>): void {
    const one = this.#orders.get(`${order} ${agreement}`)
    if (one === undefined) throw broken(`a step of order ${order.slice(0, 16)} comes before the order`)
    one.told += 1
    one.last = to
    if (one.row.progress.events < one.told) this.advanceOrder(one, { kind: 'clock' }, new Date(at))
  }

  private advanceOrder(one: OrderReplay, input: OrderInput, at: Date): void {
    const { frame, known } = one
    const { progress, requestId } = one.row
    const verify = this.verifier(known)
    const step = inTime(at, orderDeadlineOf(progress.state), (now) => advanceOrder(progress, input, { frame, now, verify }))
    one.row = { ...one.row, ...orderProgressRow(step, requestId, at) }
  }

  private granted({ request, beneficiary, deposits, expiresAt, at }: EventOf<'grant-given'>): void {
    const one = this.#requests.get(request)
    if (one === undefined) throw broken(`a grant under ${request} comes before the request`)
    const { returnOrDestroyDays: days } = parseReleasePolicy(one.known.signed.body.release).licence
    const grantedAt = new Date(at)
    this.#grants.set(`${request} ${beneficiary}`, {
      requestId: request,
      beneficiary,
      deposits,
      grantedAt,
      expiresAt: new Date(expiresAt),
      revokedAt: null,
      returnByAt: days === null ? null : new Date(grantedAt.getTime() + days * dayMs),
      returnDueAt: null,
      returnedAt: null,
    })
  }

  private changeGrant(request: string, beneficiary: string, change: (grant: GrantRow) => Partial<GrantRow>): void {
    const grant = this.#grants.get(`${request} ${beneficiary}`)
    if (grant === undefined) throw broken(`${beneficiary} has no grant under ${request}`)
    this.#grants.set(`${request} ${beneficiary}`, { ...grant, ...change(grant) })
  }

  private verifier({ signed }: KnownAgreement): VerifyStatement {
    return verifierOf({ body: signed.body, digest: signed.digest }, this.library.documents)
  }
}

/**
 * Decide as it was decided. An event is dated when it is recorded, a moment after the decision: what came in the last moment of a window would
 * come too late by the event's date, so it is then taken to have come just before the end.
 */
function inTime<Step>(at: Date, deadline: string | null, decide: (now: Date) => Step): Step {
  try {
    return decide(at)
  } catch (error) {
    const last = deadline === null ? at : new Date(Date.parse(deadline) - 1)
    if (!isEscrowError(error) || last >= at) throw error
    return decide(last)
  }
}

function broken(words: string): EscrowError {
  return new EscrowError('CHAIN_BROKEN', words)
}
