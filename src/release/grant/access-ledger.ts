import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { refusalsLoggedPerHourMax } from '../../core/http-limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { judgeAccess, type AccessRefusal, type AccessVerdict } from './access-verdict.js'
import { countRefusals, endAccess, findGrant, insertAccess, type GrantRow } from './grant.table.js'
import { parseReleasePolicy } from '../rules/release-policy.js'
import { findRequest, type RequestRow } from '../release.table.js'
import { tagSecretOf } from '../record-turn.js'

const hourMs = 3_600_000

/** Who wants to fetch, authenticated, and from where. */
export interface Visitor {
  readonly requestId: string
  /** As the agreement names it. */
  readonly party: string
  /** The peer's address as the connection shows it. */
  readonly address: string
}

/** A visitor at the door: what it was granted, and the verdict of this moment. */
export interface Visit {
  readonly visitor: Visitor
  readonly row: RequestRow
  readonly known: KnownAgreement
  readonly grant: GrantRow | null
  readonly verdict: AccessVerdict
}

/** What is fetched. */
export interface Fetched {
  readonly key: string
  readonly offset: number
  readonly sizeBytes: number
}

/** Judges visitors of grants and writes down every one of them, row and log entry in one transaction, before a byte goes out. */
@Injectable()
export class AccessLedger {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Judge a visitor.
   *
   * @throws EscrowError `NOT_FOUND` when there is no such request, or the visitor is no party of its agreement: it learns nothing, and the
   *   log of others is not filled by it
   */
  async admit(visitor: Visitor): Promise<Visit> {
    const row = await this.database.query((db) => findRequest(db, visitor.requestId))
    const known = row === null ? null : await this.agreements.version(row.agreementDigest)
    if (row === null || known === null || !known.signed.body.parties.some(({ party }) => party === visitor.party)) {
      throw new EscrowError(
        'NOT_FOUND',
        `no release request is named ${visitor.requestId}, or ${visitor.party} is no party of its agreement`,
      )
    }
    const { grant, verdict } = await this.judge(visitor, known)
    return { visitor, row, known, grant, verdict }
  }

  /** Judge once more while a long download runs. @returns null as long as it may go on. */
  async stillRefused({ visitor, known }: Visit): Promise<AccessRefusal | null> {
    return (await this.judge(visitor, known)).verdict.refusal
  }

  /**
   * Record a permitted access. If we die afterwards, the row shows an access of which nobody knows how much went out.
   *
   * @returns its number, for `end`.
   */
  async allow(visit: Visit, fetched: Fetched, signal?: AbortSignal): Promise<number> {
    const { row, visitor } = visit
    const { key, sizeBytes } = fetched
    const request = RequestId.parse(row.requestId)
    const draft: EventDraft = {
      type: 'escrow/event/grant-used/v1',
      agreement: AgreementId.parse(row.agreementId),
      subject: request,
      request,
      beneficiary: visitor.party,
      key,
      sizeBytes,
    }
    let accessId = 0
    await this.log.record(
      { draft, tagSecret: tagSecretOf(visit.known) },
      async (tx) => {
        accessId = await insertAccess(tx, this.rowOf(visit, fetched, null))
      },
      signal,
    )
    return accessId
  }

  /**
   * Record a refusal and refuse. Every one has its row. The log, whose entries are kept for years, takes only so many of one party in an
   * hour: whoever asks again and again cannot fill it.
   *
   * @throws EscrowError `refusal`
   */
  async refuse(visit: Visit, fetched: Fetched, refusal: AccessRefusal, signal?: AbortSignal): Promise<never> {
    const { row, visitor } = visit
    const since = new Date(this.clock.now().getTime() - hourMs)
    const before = await this.database.query((db) => countRefusals(db, row.requestId, visitor.party, since))
    const access = this.rowOf(visit, fetched, refusal)
    if (before < refusalsLoggedPerHourMax) {
      const request = RequestId.parse(row.requestId)
      const subject = { agreement: AgreementId.parse(row.agreementId), subject: request, request }
      const draft: EventDraft = {
        type: 'escrow/event/grant-refused/v1',
        ...subject,
        beneficiary: visitor.party,
        key: fetched.key,
        code: refusal,
      }
      await this.log.record(
        { draft, tagSecret: tagSecretOf(visit.known) },
        async (tx) => {
          await insertAccess(tx, access)
        },
        signal,
      )
    } else {
      await this.database.transaction(async (tx) => {
        await insertAccess(tx, access)
      })
    }
    throw refused(visit, refusal)
  }

  /** Record how much went out. */
  async end(accessId: number, sentBytes: number): Promise<void> {
    await this.database.transaction((tx) => endAccess(tx, accessId, { sentBytes, at: this.clock.now() }))
  }

  private async judge(
    visitor: Visitor,
    known: KnownAgreement,
  ): Promise<{ readonly grant: GrantRow | null; readonly verdict: AccessVerdict }> {
    const grant = await this.database.query((db) => findGrant(db, visitor.requestId, visitor.party))
    const { network: policy } = parseReleasePolicy(known.signed.body.release)
    const { party, address } = visitor
    return { grant, verdict: judgeAccess(grant, { party, address, now: this.clock.now(), policy }) }
  }

  private rowOf({ visitor, verdict }: Visit, { key, offset, sizeBytes }: Fetched, refusalCode: AccessRefusal | null) {
    const { requestId, party, address } = visitor
    const networkRule = verdict.network.rule
    return {
      requestId,
      party,
      address: address.slice(0, addressCharactersMax),
      key,
      offsetBytes: offset,
      sizeBytes,
      networkRule,
      refusalCode,
      accessedAt: this.clock.now(),
    }
  }
}

/** The longest IPv6 address with its zone fits; a longer text is none. */
const addressCharactersMax = 100

/** A refusal in words that the visitor may read. */
export function refused({ grant, verdict }: Pick<Visit, 'grant' | 'verdict'>, refusal: AccessRefusal): EscrowError {
  const until = grant?.expiresAt.toISOString() ?? ''
  const words: Readonly<Record<AccessRefusal, string>> = {
    GRANT_EXPIRED: `expected an access before ${until}`,
    GRANT_REFUSED: 'expected a beneficiary and an object of its grant, got another',
    GRANT_REVOKED: `expected a grant that stands, got one that was revoked ${grant?.revokedAt?.toISOString() ?? ''}`,
    NETWORK_REFUSED: `expected a network that the agreement allows, got one refused by the rule ${verdict.network.rule}`,
    RANGE_INVALID: 'expected a range inside the object',
  }
  return new EscrowError(refusal, words[refusal])
}
