// Deposits that were stored when the index was lost, and had not reached the log. No event tells of them, but each has used up the name of
// the next deposit of its source, and a manifest is written once: whoever took another one could never publish it.
import { isEscrowError } from '../core/errors.js'
import type { Database } from '../db/database.js'
import type { AttemptRow } from '../escrow/basis/attempt.table.js'
import { findVersionByDigest } from '../escrow/archive/agreement.table.js'
import { findLatestDeposit } from '../escrow/archive/deposit.table.js'
import type { SourceKey } from '../escrow/archive/lease.table.js'
import { AgreementId, depositIdOf } from '../format/ids.js'
import type { Manifest } from '../format/manifest.js'
import type { OpenedDocument } from '../format/signed-document.js'
import { someAtOnce } from '../store/at-once.js'
import { objectKeys, type DepositPlace } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { ArchiveDocuments, Found } from './archive-documents.js'
import { readParts } from './read-parts.js'
import { listNextSequences, restoreAttempt, restoreObjects } from './rebuild.table.js'
import { objectOfBytes, objectsOfManifest, type ReplayedObject } from './replayed-objects.js'

const pageSize = 500
const objectsAtOnce = 8

/** Where things are. */
interface Places {
  readonly database: Database
  readonly documents: ArchiveDocuments
  readonly replicas: ReplicaSet
}

/**
 * Make an attempt in state `stored` of every deposit whose manifest lies under the name of its source's next one, so that the next run
 * publishes just this deposit. Only manifests that we have signed ourselves, in the place that they name, count: we sign when all checks
 * have passed and a replica holds everything.
 *
 * @returns how many there were.
 * @throws EscrowError `STORE_*` when a replica does not answer
 */
export async function restoreAttempts(places: Places, signal?: AbortSignal): Promise<number> {
  let restored = 0
  for await (const page of nextPlaces(places.database)) {
    const found = await someAtOnce(page, objectsAtOnce, (place) => restoreAttemptAt(places, place, signal))
    restored += found.filter(Boolean).length
  }
  return restored
}

/** A deposit has its place after the newest of its source, as a full or as an incremental one. */
async function* nextPlaces(database: Database): AsyncGenerator<readonly DepositPlace[]> {
  for (let after: SourceKey = { agreementId: '', source: '' }; ;) {
    const page = await database.query((db) => listNextSequences(db, after, pageSize))
    yield page.flatMap(({ agreementId, source, sequence }) => {
      const next = { agreement: AgreementId.parse(agreementId), source, sequence }
      return [
        { ...next, kind: 'full' as const },
        { ...next, kind: 'incremental' as const },
      ]
    })
    const last = page.at(-1)
    if (last === undefined) return
    after = last
  }
}

async function restoreAttemptAt(places: Places, place: DepositPlace, signal?: AbortSignal): Promise<boolean> {
  const { held } = await places.replicas.stat(objectKeys.manifest(place), signal)
  if (held.every(({ object }) => object === null)) return false
  const manifest = await places.documents.unlogged(place, signal)
  if (manifest === null || !(await isNext(places.database, place, manifest.body))) return false
  return takeUp(places, place, manifest, signal)
}

async function isNext(database: Database, place: DepositPlace, manifest: Manifest): Promise<boolean> {
  const { agreement: agreementId, source } = place
  return database.query(async (db) => {
    const version = await findVersionByDigest(db, manifest.agreement)
    const latest = await findLatestDeposit(db, { agreementId, source })
    return version?.agreementId === agreementId && manifest.previous === (latest?.manifestDigest ?? null)
  })
}

/** @returns false when what the manifest names is not there any more: nobody could publish it. */
async function takeUp(
  { database, replicas }: Places,
  place: DepositPlace,
  manifest: Found<OpenedDocument<Manifest>>,
  signal?: AbortSignal,
): Promise<boolean> {
  const attempt = attemptOf(place, manifest)
  try {
    const objects: ReplayedObject[] = []
    for (const named of objectsOfManifest(place, manifest.body, depositIdOf(manifest.digest))) {
      objects.push(await readParts(replicas, { ...named, partsUnknown: true }, signal))
    }
    objects.push(objectOfBytes(manifest.key, manifest.bytes, { purpose: 'manifest', agreementId: place.agreement, depositId: null }))
    const ofAttempt = objects.map((row) => ({ ...row, depositId: null, attemptId: attempt.attemptId }))
    await database.transaction(async (tx) => {
      await restoreAttempt(tx, attempt)
      await restoreObjects(tx, ofAttempt)
    })
    return true
  } catch (error) {
    if (isEscrowError(error, 'OBJECT_MISSING') || isEscrowError(error, 'OBJECT_CORRUPT')) return false
    throw error
  }
}

function attemptOf({ agreement, source }: DepositPlace, { body, bytes }: Found<OpenedDocument<Manifest>>): AttemptRow {
  const { sequence, kind, base: baseSequence, envelope, takenAt } = body
  return {
    attemptId: envelope.key.replace(/\..*$/, ''),
    agreementId: agreement,
    source,
    // Whoever goes on has a lease of its own.
    fencingToken: 0,
    sequence,
    kind,
    baseSequence,
    epoch: envelope.epoch,
    state: 'stored',
    manifest: Buffer.from(bytes).toString('utf8'),
    startedAt: new Date(takenAt),
    finishedAt: null,
    failureCode: null,
  }
}
