import { TokenId } from '../../format/ids.js'

/** A token taken apart. */
export interface ApiToken {
  readonly tokenId: TokenId
  /** 32 bytes. */
  readonly secret: Uint8Array
}

const pattern = /^(tok_[a-z2-7]{20})\.([A-Za-z0-9_-]{43})$/

/** A token as its holder keeps it: `tok_<id>.<32 bytes in base64url>`. */
export function formatToken(tokenId: TokenId, secret: Uint8Array): string {
  return `${tokenId}.${Buffer.from(secret).toString('base64url')}`
}

/**
 * Take a token apart.
 *
 * @param text - attacker-controlled; one spelling of each token passes.
 * @returns null when it is none.
 */
export function parseToken(text: string): ApiToken | null {
  const [, id, base64 = ''] = pattern.exec(text) ?? []
  if (id === undefined) return null
  const secret = new Uint8Array(Buffer.from(base64, 'base64url'))
  const tokenId = TokenId.parse(id)
  return formatToken(tokenId, secret) === text ? { tokenId, secret } : null
}
