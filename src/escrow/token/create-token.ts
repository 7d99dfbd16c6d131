import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { sha256Hex } from '../../crypto/digest.js'
import { keyidOf } from '../../crypto/dsse.js'
import { Database } from '../../db/database.js'
import type { Party } from '../../format/agreement.js'
import { newId } from '../../format/ids.js'
import { formatToken } from './api-token.js'
import { insertToken, type TokenRow } from './token.table.js'

const dayMs = 86_400_000

/** What a token is made of. */
export interface TokenWish {
  /** The card of the party; the token is bound to its first key and its role. */
  readonly card: Party
  readonly label: string
  /** 1 to 366. */
  readonly days: number
}

/** A token as it is shown once. */
export interface CreatedToken {
  readonly row: Omit<TokenRow, 'revokedAt' | 'lastUsedAt'>
  /** The secret is in it; only its digest is kept. */
  readonly token: string
}

/** Makes an API token for a party. */
@Injectable()
export class CreateToken {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Make a token. Each run makes another.
   *
   * @throws EscrowError `ARGUMENT_INVALID` for a card without keys; `DATABASE_*`
   */
  async run({ card, label, days }: TokenWish): Promise<CreatedToken> {
    const [key] = card.keys
    if (key === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected a card with a key')
    const secret = this.entropy.bytes(32)
    const tokenId = newId('tok', this.entropy)
    const createdAt = this.clock.now()
    const row = {
      tokenId,
      secretDigest: sha256Hex(secret),
      fingerprint: sha256Hex(Buffer.from(keyidOf(key))),
      role: card.role,
      label,
      createdAt,
      expiresAt: new Date(createdAt.getTime() + days * dayMs),
    }
    await this.database.query((db) => insertToken(db, row))
    return { row, token: formatToken(tokenId, secret) }
  }
}
