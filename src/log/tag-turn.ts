import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import type { Database } from '../db/database.js'
import { endTurns, takeTurns } from './log-turn.table.js'
import { findChainEnds, type ChainEnd } from './log.table.js'

/** Long enough for one attempt at slow replicas; who takes longer takes the turn again. */
const turnMs = 10_000
const pauseMs = 20
/** Half a minute: more than somebody who died keeps others out. */
const pausesMax = 1_500

/**
 * One recorder's place in the queue of processes that record on the same tags. Two that go at one pace meet in the same order each time, and
 * one of them would be late for ever: who was late once asks the others to wait.
 */
export class TagTurn {
  readonly #tags: readonly string[]
  #held = false

  /** @param tags - in hex. @param holder - a name that nobody else has. */
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    tags: readonly string[],
    private readonly holder: string,
  ) {
    this.#tags = [...new Set(tags)]
  }

  /**
   * The last event of each tag, after letting those go first who were late.
   *
   * @throws EscrowError `DATABASE_CONFLICT` when they do not come to an end; `DATABASE_UNAVAILABLE`
   */
  ends(signal?: AbortSignal): Promise<readonly ChainEnd[]> {
    return until(() => this.database.query((db) => findChainEnds(db, this.#wish())), signal)
  }

  /** Ask all others to wait, after they were quicker. @throws as `ends` */
  async take(signal?: AbortSignal): Promise<void> {
    await until(() => this.#tryTake(), signal)
    this.#held = true
  }

  /** Let the others go on. A turn that cannot be given back lapses by itself. */
  async end(): Promise<void> {
    if (!this.#held) return
    try {
      await this.database.query((db) => endTurns(db, this.#wish()))
    } catch (error) {
      if (!isEscrowError(error)) throw error
    }
  }

  async #tryTake(): Promise<true | null> {
    const wish = this.#wish()
    try {
      await this.database.transaction(async (tx) => {
        if (!(await takeTurns(tx, wish, new Date(wish.now.getTime() + turnMs)))) throw new TurnElsewhere()
      })
      return true
    } catch (error) {
      if (error instanceof TurnElsewhere) return null
      throw error
    }
  }

  #wish() {
    return { tags: this.#tags, holder: this.holder, now: this.clock.now() }
  }
}

/** What an attempt gives that is not null. */
async function until<T>(attempt: () => Promise<T | null>, signal?: AbortSignal): Promise<T> {
  for (let pauses = 0; ; pauses += 1) {
    const got = await attempt()
    if (got !== null) return got
    if (pauses === pausesMax) throw new EscrowError('DATABASE_CONFLICT', 'others record on the same subject without end; try again later')
    await pause(pauseMs, undefined, signal === undefined ? {} : { signal })
  }
}

/** Rolls back a transaction that got some of its turns. */
class TurnElsewhere extends Error {}
