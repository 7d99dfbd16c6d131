import type { Client } from 'minio'
import { isEscrowError } from '../core/errors.js'
import type { StoreReport } from './object-store.js'
import { S3Connection, type S3Address } from './s3-connection.js'
import { s3CodeOf } from './s3-fault.js'

/**
 * Make the two buckets of a replica, for `escrow init`: one with object lock (and so with versions), and the unlocked one for the log's
 * head. Idempotent; a bucket that exists is left as it is, and `inspect` says whether it will do: object lock cannot be added later.
 *
 * @throws EscrowError `STORE_REFUSED`, `STORE_UNREACHABLE`
 */
export async function makeStoreBuckets(objects: S3Address, heads: S3Address, signal?: AbortSignal): Promise<void> {
  await makeBucket(new S3Connection(objects), { ObjectLocking: true }, signal)
  await makeBucket(new S3Connection(heads), {}, signal)
}

async function makeBucket(connection: S3Connection, options: { readonly ObjectLocking?: boolean }, signal?: AbortSignal): Promise<void> {
  const call = { doing: 'make the bucket', signal, repeatable: true }
  if (await connection.call(call, (client) => client.bucketExists(connection.bucket))) return
  try {
    await connection.call(call, (client) => client.makeBucket(connection.bucket, '', options))
  } catch (error) {
    if (s3CodeOf(error) !== 'BucketAlreadyOwnedByYou') throw error
  }
}

/** Whether a bucket will do. Never throws except for an aborted signal. */
export async function inspectBucket(connection: S3Connection, signal?: AbortSignal): Promise<StoreReport> {
  const call = { doing: 'inspect', signal, repeatable: true }
  const { bucket } = connection
  try {
    const exists = await connection.call(call, (client) => client.bucketExists(bucket))
    if (!exists) return { reachable: false, versioned: false, locked: false, problems: [`there is no bucket ${bucket}`] }
    const versioning = await connection.call(call, (client) => client.getBucketVersioning(bucket))
    // minio types the answer as the request; what comes is the parsed XML.
    const versioned = (versioning as { Status?: unknown } | undefined)?.Status === 'Enabled'
    const locked = await isLocked(connection, signal)
    const problems = [
      ...(versioned ? [] : [`versioning of bucket ${bucket} is not enabled`]),
      ...(locked ? [] : [`object lock of bucket ${bucket} is not enabled; it can only be enabled when a bucket is made`]),
    ]
    return { reachable: true, versioned, locked, problems }
  } catch (error) {
    if (!isEscrowError(error)) throw error
    return { reachable: false, versioned: false, locked: false, problems: [error.message] }
  }
}

async function isLocked(connection: S3Connection, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    // minio's overloads hide that this one gives a promise.
    const ask = async (client: Client) =>
      (await (client.getObjectLockConfig(connection.bucket) as unknown)) as { objectLockEnabled?: unknown }
    const lock = await connection.call({ doing: 'inspect', signal, repeatable: true }, ask)
    return lock.objectLockEnabled === 'Enabled'
  } catch (error) {
    const code = s3CodeOf(error)
    if (code === 'ObjectLockConfigurationNotFoundError' || code === 'NoSuchObjectLockConfiguration') return false
    // Ceph's answer for a bucket that was made without object lock.
    if (code === 'InvalidRequest') return false
    throw error
  }
}
