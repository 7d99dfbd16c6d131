import { isEscrowError } from '../core/errors.js'
import type { Database } from '../db/database.js'
import type { StoredObjectRow } from '../escrow/archive/object.table.js'
import { parseObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { atEach } from '../store/replica.js'
import { placeCopies, type CopyEvent } from './copy-history.js'
import { listObjects, restoreCopies, type RestoredCopy } from './rebuild.table.js'

/** What is to be placed. */
export interface CopiesToRestore {
  readonly events: ReadonlyMap<string, readonly CopyEvent[]>
  /** When all copies are to be read again: nothing is known of their bytes. */
  readonly now: Date
  readonly onObject?: (done: number) => void
}

/** What was found where. */
export interface RestoredCopies {
  readonly copies: number
  /** Objects that a replica does not hold; `escrow repair` fills them in. */
  readonly absent: readonly { readonly key: string; readonly replica: string }[]
}

const pageSize = 500
const objectsAtOnce = 8
const listedMax = 1000

/**
 * Ask every replica which versions it holds of every object, and record them as copies that are to be read again at once.
 *
 * @throws EscrowError `STORE_*` when a replica does not answer: what it holds is unknown, not absent
 */
export async function findCopies(
  { database, replicas }: { readonly database: Database; readonly replicas: ReplicaSet },
  wish: CopiesToRestore,
  signal?: AbortSignal,
): Promise<RestoredCopies> {
  const absent: RestoredCopies['absent'][number][] = []
  let [copies, done] = [0, 0]
  for (let after = 0; ;) {
    const page = await database.query((db) => listObjects(db, after, pageSize))
    const last = page.at(-1)
    if (last === undefined) return { copies, absent }
    for (let first = 0; first < page.length; first += objectsAtOnce) {
      const found = await Promise.all(page.slice(first, first + objectsAtOnce).map((object) => copiesOf(replicas, object, wish, signal)))
      await database.transaction((tx) =>
        restoreCopies(
          tx,
          found.flatMap((one) => one.copies),
        ),
      )
      copies += found.reduce((sum, one) => sum + one.copies.length, 0)
      absent.push(...found.flatMap((one) => one.absent).slice(0, listedMax - absent.length))
      done += found.length
      wish.onObject?.(done)
    }
    after = last.objectId
  }
}

async function copiesOf(replicas: ReplicaSet, object: StoredObjectRow, wish: CopiesToRestore, signal?: AbortSignal) {
  const { results, faults } = await atEach(replicas.replicas, async ({ name, store }) => {
    const versions = await store.versions(parseObjectKey(object.key), signal)
    const replaced = object.purpose === 'receipt' || object.purpose === 'readme'
    return placeCopies(versions, wish.events.get(`${name}/${object.key}`) ?? [], { sizeBytes: object.sizeBytes, replaced })
  })
  const [fault] = faults.filter(({ error }) => !isEscrowError(error, 'OBJECT_MISSING'))
  if (fault !== undefined) throw fault.error
  const locks = results.flatMap(({ result }) => result.flatMap((copy) => (copy.retainUntil === null ? [] : [copy.retainUntil.getTime()])))
  const longest = new Date(Math.max(wish.now.getTime(), ...locks))
  const { objectId } = object
  const copies = results.flatMap(({ replica, result }) =>
    result.map(({ versionId, state, retainUntil, checks }): RestoredCopy => {
      // A version that is gone was locked as long as the others are.
      const placed = { objectId, replica, versionId, retainUntil: retainUntil ?? longest, state, storedAt: wish.now, verifiedAt: null }
      const nextCheckAt = state === 'superseded' ? null : wish.now
      return {
        copy: { ...placed, nextCheckAt },
        checks: checks.map(({ at, outcome, foundDigest }) => ({ checkedAt: at, outcome, foundDigest })),
      }
    }),
  )
  const absent = results
    .filter(({ result }) => result.every((copy) => copy.state === 'superseded'))
    .map(({ replica }) => ({ key: object.key, replica }))
  return { copies, absent }
}
