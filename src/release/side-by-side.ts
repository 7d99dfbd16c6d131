import { agreementsAtOnceMax } from '../core/limits.js'
import { someAtOnce } from '../store/at-once.js'
import { KeyedTurns } from '../store/keyed-turns.js'

/**
 * Move many requests or orders: those of one agreement one after the other, as its events follow each other in the log; those of
 * different agreements side by side, so that hundreds of them wait for the disks together.
 *
 * @returns what `work` gave, in the order of `subjects`. @throws as `someAtOnce`
 */
export function sideBySide<S extends { readonly agreementId: string }, R>(
  subjects: readonly S[],
  work: (subject: S) => Promise<R>,
): Promise<readonly R[]> {
  const turns = new KeyedTurns()
  return someAtOnce(subjects, agreementsAtOnceMax, (subject) => turns.run(subject.agreementId, () => work(subject)))
}
