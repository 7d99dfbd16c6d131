// The batch API of git LFS (docs/api/batch.md of git-lfs), downloads by the transfer "basic" only. What is attacker-controlled: the whole answer.
// Addresses in it go through the transport's address policy like a redirect, and never get the credential of the source.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { lfsAnswerBytesMax } from '../core/limits.js'
import type { LfsObject } from './lfs-remote.js'
import { cleanWords } from './remote-words.js'

/** What every body of the batch API is. */
export const lfsMediaType = 'application/vnd.git-lfs+json'

const Answer = z.object({
  transfer: z.string().max(100).optional(),
  objects: z.array(
    z.object({
      oid: z.string().max(64),
      actions: z
        .object({
          download: z
            .object({ href: z.string().max(16_384), header: z.record(z.string().max(200), z.string().max(16_384)).optional() })
            .optional(),
        })
        .nullish(),
      error: z.object({ code: z.number(), message: z.string().max(4096) }).nullish(),
    }),
  ),
})

/** Where one object is, as a server says. */
export type LfsAction =
  | { readonly href: string; readonly headers: Readonly<Record<string, string>>; readonly authorization: string | undefined }
  | { readonly reason: string }

/** The body with which objects are asked for. */
export function encodeLfsBatch(objects: readonly LfsObject[]): Uint8Array {
  const wanted = objects.map(({ oid, sizeBytes }) => ({ oid, size: sizeBytes }))
  return Buffer.from(JSON.stringify({ operation: 'download', transfers: ['basic'], hash_algo: 'sha256', objects: wanted }))
}

/**
 * Read an answer.
 *
 * @param bytes - attacker-controlled.
 * @returns by oid; what the server says nothing of is left out. Of two answers for one object the first counts.
 * @throws EscrowError `REMOTE_PROTOCOL`
 */
export function parseLfsBatch(bytes: Uint8Array): ReadonlyMap<string, LfsAction> {
  if (bytes.byteLength > lfsAnswerBytesMax) throw protocol(`at most ${lfsAnswerBytesMax} bytes`)
  const parsed = Answer.safeParse(jsonOrNull(bytes))
  if (!parsed.success) throw protocol('objects with their actions')
  const { transfer = 'basic', objects } = parsed.data
  if (transfer !== 'basic') throw protocol('the transfer basic')
  const found = new Map<string, LfsAction>()
  for (const { oid, actions, error } of objects) {
    if (!found.has(oid)) found.set(oid, actionOf(actions?.download, error ?? null))
  }
  return found
}

function actionOf(
  download: { readonly href: string; readonly header?: Readonly<Record<string, string>> | undefined } | undefined,
  error: { readonly code: number; readonly message: string } | null,
): LfsAction {
  if (error !== null)
    return { reason: `the LFS server answered with ${error.code}: ${JSON.stringify(cleanWords(error.message).slice(0, 300))}` }
  if (download === undefined || !URL.canParse(download.href)) return { reason: 'the LFS server names no place to fetch it from' }
  const headers = Object.entries(download.header ?? {}).map(([name, value]): [string, string] => [name.toLowerCase(), value])
  const wrong = headers.find(([name, value]) => !/^[a-z0-9-]{1,200}$/.test(name) || !/^[\u0020-\u007e]*$/.test(value) || framing.has(name))
  if (wrong !== undefined) return { reason: 'the LFS server asks for a header that no request may carry' }
  const authorization = headers.find(([name]) => name === 'authorization')?.[1]
  return { href: download.href, headers: Object.fromEntries(headers.filter(([name]) => name !== 'authorization')), authorization }
}

/** What decides how a request is read on its way, and where it goes. */
const framing: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'cookie',
])

/**
 * Where the LFS server of a repository is, unless its .lfsconfig names another.
 *
 * @param url - of the repository; http(s), without a final slash.
 *
 * Source: git-lfs docs/api/server-discovery.md.
 */
export function lfsEndpoint(url: string): string {
  return `${url.endsWith('.git') ? url : `${url}.git`}/info/lfs`
}

function jsonOrNull(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown
  } catch {
    return null
  }
}

function protocol(expected: string): EscrowError {
  return new EscrowError('REMOTE_PROTOCOL', `expected ${expected} in the answer of the LFS server`)
}
