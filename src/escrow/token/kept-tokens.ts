import { tokenKeptMs, tokensKeptMax } from '../../core/http-limits.js'
import type { TokenRow } from './token.table.js'

interface Kept {
  readonly row: Promise<TokenRow | null>
  readonly untilMs: number
}

/**
 * The rows of tokens that were asked for within the last second (decision 0015). What is kept is the row, never the answer: secret, expiry
 * and revocation are judged at every request. One that is not there is not kept, so that strangers cannot fill the memory.
 */
export class KeptTokens {
  private readonly kept = new Map<string, Kept>()

  /** @param nowMs - never goes backwards. */
  constructor(private readonly nowMs: () => number) {}

  /** A row that was read within `tokenKeptMs`, or `read` anew; those who ask at once share one question. @throws whatever `read` throws */
  get(tokenId: string, read: () => Promise<TokenRow | null>): Promise<TokenRow | null> {
    const known = this.kept.get(tokenId)
    if (known !== undefined && this.nowMs() < known.untilMs) return known.row
    const row = read()
    this.kept.delete(tokenId)
    this.kept.set(tokenId, { row, untilMs: this.nowMs() + tokenKeptMs })
    const [oldest] = this.kept.keys()
    if (this.kept.size > tokensKeptMax && oldest !== undefined) this.kept.delete(oldest)
    const forget = () => this.kept.get(tokenId)?.row === row && this.kept.delete(tokenId)
    row.then((found) => found ?? forget(), forget)
    return row
  }

  /** Read it anew the next time. */
  forget(tokenId: string): void {
    this.kept.delete(tokenId)
  }
}
