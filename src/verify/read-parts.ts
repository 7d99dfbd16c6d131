import { PartsDigester } from '../crypto/digest.js'
import { objectDigests } from '../escrow/archive/store-document.js'
import { parseObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import type { NamedObject, ReplayedObject } from './replayed-objects.js'

/**
 * The row of an object with the digests of its parts. Large files whose parts no document names are read once more: the index wants to check
 * them part by part.
 *
 * @throws EscrowError `OBJECT_*`, `STORE_*` when no replica gives the bytes that the document names
 */
export async function readParts(replicas: ReplicaSet, { row, partsUnknown }: NamedObject, signal?: AbortSignal): Promise<ReplayedObject> {
  if (!partsUnknown) return row
  const digester = new PartsDigester(row.partBytes)
  const expected = { sha256: row.digest, sizeBytes: row.sizeBytes }
  for await (const block of replicas.readVerifiedStream(parseObjectKey(row.key), expected, {}, signal)) digester.update(block)
  return { ...row, ...objectDigests(digester.finish()) }
}
