import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import type { S3Connection } from './s3-connection.js'

const VersionRow = z.object({
  name: z.string(),
  versionId: z.string().regex(/^[\w.~-]{1,1024}$/),
  isLatest: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]),
  isDeleteMarker: z.boolean().optional().default(false),
  size: z.number().int().min(0).catch(0),
})
/** One version, or one mark that an object was deleted, as a listing gives it. */
export type VersionRow = z.infer<typeof VersionRow>

const Page = z.object({
  objects: z.array(VersionRow).max(2000),
  isTruncated: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
    .optional()
    .default(false),
  keyMarker: z.string().optional(),
  versionIdMarker: z.string().optional(),
})

/**
 * Every version under a prefix: keys in order, versions of a key newest first. Delete markers come at the end of their page.
 *
 * @throws EscrowError `STORE_UNREACHABLE` also when the answer is malformed or the pages do not move on.
 */
export async function* listVersions(connection: S3Connection, prefix: string, signal?: AbortSignal): AsyncIterable<VersionRow> {
  let marker = { keyMarker: '', versionIdMarker: '' }
  for (;;) {
    const page = await readPage(connection, prefix, marker, signal)
    yield* page.objects
    if (!page.isTruncated) return
    // minio puts the markers into the URL as they are; the store gave the key URL-encoded because minio asks for that.
    const next = { keyMarker: encodeURIComponent(decoded(page.keyMarker ?? '')), versionIdMarker: page.versionIdMarker ?? '' }
    if (next.keyMarker === marker.keyMarker && next.versionIdMarker === marker.versionIdMarker) {
      throw new EscrowError('STORE_UNREACHABLE', `cannot list objects in bucket ${connection.bucket}: the store repeats a page`)
    }
    marker = next
  }
}

function readPage(connection: S3Connection, prefix: string, marker: { keyMarker: string; versionIdMarker: string }, signal?: AbortSignal) {
  return connection.call({ doing: 'list objects', signal, repeatable: true }, async (client) => {
    const options = { Delimiter: '', MaxKeys: 1000, IncludeVersion: true, ...marker }
    return Page.parse(await client.listObjectsQuery(connection.bucket, prefix, '', options))
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
