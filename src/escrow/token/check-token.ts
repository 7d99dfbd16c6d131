import { Inject, Injectable } from '@nestjs/common'
import { timingSafeEqual } from 'node:crypto'
import { Clock, monotonicMs } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { sha256Hex } from '../../crypto/digest.js'
import { Database } from '../../db/database.js'
import type { Viewer } from '../../http/viewer.js'
import { parseToken } from './api-token.js'
import { KeptTokens } from './kept-tokens.js'
import { findToken, touchToken, type TokenRow } from './token.table.js'

const minuteMs = 60_000
/** Compared with when there is no such token, so that an answer takes as long. */
const nobody = '0'.repeat(64)

/** Finds who a token stands for. */
@Injectable()
export class CheckToken {
  private readonly kept = new KeptTokens(monotonicMs)

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Who a token stands for: a revoked one stands for nobody within a second, wherever it was revoked (decision 0015).
   *
   * @param text - attacker-controlled.
   * @throws EscrowError `TOKEN_INVALID`; only who knows the secret learns that it has expired or was revoked
   */
  async run(text: string): Promise<Viewer> {
    const given = parseToken(text)
    if (given === null) throw new EscrowError('TOKEN_INVALID', 'expected a token of this service')
    const row = await this.kept.get(given.tokenId, () => this.database.query((db) => findToken(db, given.tokenId)))
    const right = timingSafeEqual(Buffer.from(sha256Hex(given.secret), 'hex'), Buffer.from(row?.secretDigest ?? nobody, 'hex'))
    if (row === null || !right) throw new EscrowError('TOKEN_INVALID', 'expected a token of this service')
    const now = this.clock.now()
    requireLive(row, now)
    await this.touch(row, now)
    const { tokenId, fingerprint, role } = row
    return { tokenId, fingerprint, role }
  }

  /** Read the row of a token anew the next time: it was revoked. */
  forget(tokenId: string): void {
    this.kept.forget(tokenId)
  }

  private async touch({ tokenId, lastUsedAt }: TokenRow, at: Date): Promise<void> {
    const unlessSince = new Date(at.getTime() - minuteMs)
    if (lastUsedAt !== null && lastUsedAt > unlessSince) return
    await this.database.query((db) => touchToken(db, tokenId, { at, unlessSince }))
    this.kept.forget(tokenId)
  }
}

function requireLive({ revokedAt, expiresAt }: TokenRow, now: Date): void {
  if (revokedAt !== null) throw new EscrowError('TOKEN_INVALID', `expected a token in force, got one revoked at ${revokedAt.toISOString()}`)
  if (expiresAt <= now)
    throw new EscrowError('TOKEN_INVALID', `expected a token in force, got one that expired at ${expiresAt.toISOString()}`)
}
