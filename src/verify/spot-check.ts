import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { spotCandidatesMax, spotPartsPerRound } from '../core/job-limits.js'
import { Database } from '../db/database.js'
import { CopyReader } from './copy-reader.js'
import { ReadPace } from './read-pace.js'
import { findLastCopy, listLargeCopies, makeDue, type CopyOfObject } from './verify.table.js'
import { VerifyOptions } from './verify-options.js'

/** What spot checks found. */
export interface SpotChecked {
  readonly parts: number
  /** Copies that are read as a whole next, because a part of them was not as it must be. */
  readonly suspected: number
}

/**
 * Reads parts of large copies between their full checks, drawn by lot: a store that loses or changes much is found out within hours, not
 * when the turn comes to each copy. It accuses nobody: what looks wrong is due for a full check at once.
 */
@Injectable()
export class SpotCheck {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(CopyReader) private readonly reader: CopyReader,
    @Inject(VerifyOptions) private readonly options: VerifyOptions,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /** One round: `spotPartsPerRound` parts, or fewer when there are few large copies. @throws EscrowError `DATABASE_*`; the signal's reason */
  async run(signal?: AbortSignal): Promise<SpotChecked> {
    const pace = new ReadPace(this.options.bytesPerSecond)
    let suspected = 0
    const drawn = await this.draw()
    for (const one of drawn) {
      signal?.throwIfAborted()
      const part = this.below(one.object.partDigests.length)
      const { outcome } = await this.reader.part(one, part, pace, signal)
      if (outcome === 'match') continue
      suspected += 1
      await this.database.transaction((tx) => makeDue(tx, one.copy.copyId, this.clock.now()))
    }
    return { parts: drawn.length, suspected }
  }

  /** Somewhere among all copies, and from there some of the next ones. */
  private async draw(): Promise<readonly CopyOfObject[]> {
    const last = await this.database.query((db) => findLastCopy(db))
    const from = last <= spotCandidatesMax ? 0 : this.below(last)
    const candidates = [...(await this.database.query((db) => listLargeCopies(db, { from, window: spotCandidatesMax })))]
    const drawn: CopyOfObject[] = []
    while (drawn.length < spotPartsPerRound && candidates.length > 0) drawn.push(...candidates.splice(this.below(candidates.length), 1))
    return drawn
  }

  /** @param end - at least 1. @returns 0 to `end - 1`. */
  private below(end: number): number {
    return Buffer.from(this.entropy.bytes(6)).readUIntBE(0, 6) % end
  }
}
