// Pure: rows of objects as the documents that name them tell. What was written by an attempt and never published is named by nothing.
import { partBytes } from '../core/limits.js'
import { PartsDigester } from '../crypto/digest.js'
import type { Purpose, StoredObjectRow } from '../escrow/archive/object.table.js'
import { objectDigests } from '../escrow/archive/store-document.js'
import type { AgreementId } from '../format/ids.js'
import type { Manifest } from '../format/manifest.js'
import type { Evidence } from '../format/statement.js'
import { objectKeys, parseObjectKey, type DepositPlace, type ObjectKey } from '../store/object-key.js'

/** An object as the index will know it. */
export type ReplayedObject = Omit<StoredObjectRow, 'objectId'>

/** Whose object it is and what for. */
export interface ObjectOwner {
  readonly purpose: Purpose
  readonly agreementId: string | null
  readonly depositId: string | null
}

/** The row of a document at hand. */
export function objectOfBytes(key: ObjectKey, bytes: Uint8Array, owner: ObjectOwner): ReplayedObject {
  const digester = new PartsDigester(partBytes)
  digester.update(bytes)
  return { key, ...owner, attemptId: null, ...objectDigests(digester.finish()) }
}

/** An object that a manifest names, which must be read once more when its parts are not named too. */
export interface NamedObject {
  readonly row: ReplayedObject
  /** The parts in `row` may be wrong: the document that names it tells only the digest of the whole. */
  readonly partsUnknown: boolean
}

/** A document that a recorded statement names as evidence. It may never have been handed over, so it is read in any case. */
export function evidenceObject(agreement: AgreementId, { sha256, sizeBytes }: Evidence): NamedObject {
  const owner = { purpose: 'statement', agreementId: agreement, depositId: null, attemptId: null } as const
  const row = { key: objectKeys.evidence(agreement, sha256), ...owner, digest: sha256, sizeBytes, partBytes, partDigests: [sha256] }
  return { row, partsUnknown: true }
}

/** The objects that a manifest names beside itself. */
export function objectsOfManifest(place: DepositPlace, manifest: Manifest, depositId: string): readonly NamedObject[] {
  const folder = objectKeys.manifest(place).replace(/manifest\.json$/, '')
  const owner = (purpose: Purpose) => ({ purpose, agreementId: place.agreement, depositId, attemptId: null })
  const small = (purpose: Purpose, key: ObjectKey, file: { readonly sha256: string; readonly sizeBytes: number }): NamedObject => ({
    row: { key, ...owner(purpose), digest: file.sha256, sizeBytes: file.sizeBytes, partBytes, partDigests: [file.sha256] },
    partsUnknown: file.sizeBytes > partBytes,
  })
  const { envelope, inventory, knownObjects, attachments } = manifest
  const { sha256: digest, sizeBytes, partSha256: partDigests } = envelope
  const sealed = {
    key: parseObjectKey(folder + envelope.key),
    ...owner('envelope'),
    digest,
    sizeBytes,
    partBytes: envelope.partBytes,
    partDigests,
  }
  return [
    { row: sealed, partsUnknown: false },
    small('inventory', parseObjectKey(folder + inventory.key), inventory),
    small('known-objects', parseObjectKey(folder + knownObjects.key), knownObjects),
    ...attachments.map((file) => small('attachment', objectKeys.attachment(place.agreement, place.source, file.sha256), file)),
  ]
}
