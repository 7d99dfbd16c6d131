import { Inject, Injectable } from '@nestjs/common'
import { isEscrowError } from '../../core/errors.js'
import { CountAvailability } from './count-availability.js'
import { RecordTurn } from '../record-turn.js'
import { ReleaseFiles } from '../release-files.js'
import { RequestShelf } from './request-shelf.js'

/** Turns that are tried again when somebody else moved the same request or order meanwhile. */
const attemptsMax = 8

/** What every use case of a release works with: the cases, their documents, and how turns are recorded. */
@Injectable()
export class ReleaseDesk {
  constructor(
    @Inject(RequestShelf) readonly requests: RequestShelf,
    @Inject(ReleaseFiles) readonly files: ReleaseFiles,
    @Inject(RecordTurn) readonly turns: RecordTurn,
    @Inject(CountAvailability) readonly availability: CountAvailability,
  ) {}
}

/**
 * Decide and record, again from the beginning when the decision rested on something that has changed.
 *
 * @throws EscrowError what `attempt` throws; `DATABASE_CONFLICT` only after eight attempts
 */
export async function againOnConflict<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!isEscrowError(error, 'DATABASE_CONFLICT') || tried >= attemptsMax) throw error
    }
  }
}
