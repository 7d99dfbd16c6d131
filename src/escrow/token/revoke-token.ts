import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { CheckToken } from './check-token.js'
import { revokeToken } from './token.table.js'

/** Revokes an API token. */
@Injectable()
export class RevokeToken {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(CheckToken) private readonly tokens: CheckToken,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Revoke a token; idempotent. @throws EscrowError `NOT_FOUND` */
  async run(tokenId: string): Promise<void> {
    const known = await this.database.query((db) => revokeToken(db, tokenId, this.clock.now()))
    this.tokens.forget(tokenId)
    if (!known) throw new EscrowError('NOT_FOUND', `no token is named ${tokenId.slice(0, 60)}`)
  }
}
