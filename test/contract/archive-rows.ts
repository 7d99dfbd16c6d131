import { createHash } from 'node:crypto'
import type { Tx } from '../../src/db/database.js'
import { insertAgreement, insertAgreementVersion } from '../../src/escrow/archive/agreement.table.js'
import type { NewDeposit } from '../../src/escrow/archive/deposit.table.js'
import { depositIdOf } from '../../src/format/ids.js'
import { recordReplica } from '../../src/escrow/archive/copy.table.js'
import type { NewObject } from '../../src/escrow/archive/object.table.js'
import { insertSources } from '../../src/escrow/archive/source.table.js'

/** The digest of a word, for rows that need some. */
export const digestOf = (word: string) => createHash('sha256').update(word).digest('hex')
/** Noon of a day of November 2026, and minutes after it. */
export const day = (number: number, minutes = 0) => new Date(Date.UTC(2026, 10, number, 12, minutes))

export const agreementId = 'agr_aaaaaaaaaaaaaaaaaaaa'
export const source = { agreementId, source: 'core' }

/** A registered agreement with active sources that are due on the 1st, and two replicas. */
export async function insertArchive(tx: Tx, sources: readonly string[] = [source.source]): Promise<void> {
  const digest = digestOf('agreement 1')
  await insertAgreement(tx, {
    agreementId,
    version: 1,
    digest,
    state: 'registered',
    title: 'Core',
    origin: 'escrow.example',
    threshold: 3,
    custodianCount: 5,
    retentionDays: 365,
    createdAt: day(1),
    endsAt: day(30),
  })
  await insertAgreementVersion(tx, { agreementId, version: 1, digest, documentKey: 'a/1', annexKey: null, createdAt: day(1) })
  await insertSources(tx, sources.map(sourceRow))
  for (const replica of ['left', 'right']) await recordReplica(tx, { replica, country: 'CH', control: 'CH', addedAt: day(1) })
}

export const sourceRow = (name: string, minutes = 0) => ({
  agreementId,
  source: name,
  state: 'active' as const,
  mode: 'pull' as const,
  startsAt: day(1),
  everyHours: 24,
  graceHours: 12,
  fullEveryDays: 30,
  chainLengthMax: 120,
  periodAt: day(1),
  deadlineAt: day(2),
  dueAt: day(1, minutes),
  lookAt: day(1, minutes),
})

/** A deposit of the source; number 1 and those named are full. */
export function newDeposit(sequence: number, baseSequence: number, blocking = false): NewDeposit {
  const manifestDigest = digestOf(`manifest ${sequence}`)
  return {
    depositId: depositIdOf(manifestDigest),
    sequence,
    kind: sequence === baseSequence ? 'full' : 'incremental',
    baseSequence,
    epoch: 1,
    agreementDigest: digestOf('agreement 1'),
    manifestDigest,
    previousDigest: sequence === 1 ? null : digestOf(`manifest ${sequence - 1}`),
    refsDigest: digestOf(`refs ${sequence}`),
    refCount: 3,
    bundleDigest: digestOf(`bundle ${sequence}`),
    bundleBytes: 1000,
    takenAt: day(sequence),
    outcome: blocking ? 'fail' : 'pass',
    blocking,
    leafHash: digestOf(`leaf ${sequence}`),
  }
}

/** An object of two parts. */
export const newObject = (key: string, attemptId: string | null = null): NewObject => ({
  key,
  purpose: 'envelope',
  agreementId,
  attemptId,
  digest: digestOf(key),
  sizeBytes: 20,
  partBytes: 16,
  partDigests: [digestOf(`${key} 1`), digestOf(`${key} 2`)],
})
