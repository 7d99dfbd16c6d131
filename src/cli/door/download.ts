import { SystemEntropy } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { serviceTimeoutMs } from '../../core/http-limits.js'
import { DownloadView } from '../../release/visible/release.views.js'
import { verifiedAtEnd } from '../../store/expected-object.js'
import { FsArchiveTarget } from '../../store/fs-archive-target.js'
import { parseObjectKey } from '../../store/object-key.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { requireService } from './open-door.js'
import { ServiceHttp } from '../service/service-http.js'
import { formatBytes, formatCount } from '../terminal.js'

/** How often one object goes on where it broke off without a byte in between. */
const attemptsMax = 5

/**
 * Fetch everything that was granted into a folder, for `escrow verify` and `escrow open`. What lies there already is not fetched again; an
 * object that breaks off goes on where it stopped. Each is compared with the digest that the service named; what counts are the signed
 * manifests, which `escrow verify` and `escrow open` check.
 *
 * @throws EscrowError `GRANT_*`, `NETWORK_REFUSED`, `OBJECT_CORRUPT`, `SERVICE_*`
 */
export async function download(context: CommandContext, options: { readonly into: string }, requestId: string): Promise<CommandResult> {
  const http = new ServiceHttp(requireService(context), context.signal)
  const path = `/v1/grants/${encodeURIComponent(requestId)}`
  const { objects, expiresAt, returnByAt } = await http.get(path, DownloadView)
  const target = new FsArchiveTarget(options.into, new SystemEntropy())
  let [written, bytes] = [0, 0]
  for (const [place, { key: named, sizeBytes, sha256 }] of objects.entries()) {
    context.progress({ phase: 'downloading', done: place, total: objects.length, unit: 'objects', bytes })
    const key = parseObjectKey(named)
    if (await target.holds(key, sizeBytes)) continue
    const body = fetchWhole(http, { path: `${path}/objects/${key}`, sizeBytes, signal: context.signal })
    await target.write(key, verifiedAtEnd(key, { sizeBytes, sha256 }, body))
    written += 1
    bytes += sizeBytes
  }
  const lines = columns([
    ['downloaded', `${formatCount(written)} objects with ${formatBytes(bytes)}`],
    ['there already', formatCount(objects.length - written)],
    ['until', expiresAt],
    ['return by', returnByAt ?? 'may be kept'],
    ['written to', options.into],
  ])
  const json = { request: requestId, into: options.into, written, bytes, held: objects.length - written, expiresAt, returnByAt }
  return { json, lines }
}

async function* fetchWhole(
  http: ServiceHttp,
  object: { readonly path: string; readonly sizeBytes: number; readonly signal: AbortSignal },
): AsyncIterable<Uint8Array> {
  let offset = 0
  for (let attempt = 1; ; attempt += 1) {
    const before = offset
    try {
      for await (const block of fetchFrom(http, { ...object, offset })) {
        offset += block.byteLength
        yield block
      }
      if (offset >= object.sizeBytes) return
      throw new EscrowError('SERVICE_UNREACHABLE', `the download broke off after ${offset} of ${object.sizeBytes} bytes`)
    } catch (error) {
      if (!(error instanceof EscrowError) || error.code !== 'SERVICE_UNREACHABLE' || object.signal.aborted) throw error
      if (offset > before) attempt = 0
      if (attempt >= attemptsMax) throw error
    }
  }
}

/** Given up when nothing comes for `serviceTimeoutMs`; how long all of it takes depends on its size. */
async function* fetchFrom(
  http: ServiceHttp,
  object: { readonly path: string; readonly offset: number; readonly signal: AbortSignal },
): AsyncIterable<Uint8Array> {
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(), serviceTimeoutMs)
  try {
    const headers: Record<string, string> = object.offset === 0 ? {} : { range: `bytes=${object.offset}-` }
    const answer = await http.bytes(object.path, { headers, signal: AbortSignal.any([object.signal, idle.signal]) })
    if (answer.status !== (object.offset === 0 ? 200 : 206))
      throw new EscrowError('SERVICE_ANSWER', `expected a piece, got status ${answer.status}`)
    for await (const block of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      timer.refresh()
      yield block
    }
  } catch (cause) {
    if (cause instanceof EscrowError || object.signal.aborted) throw cause
    throw new EscrowError('SERVICE_UNREACHABLE', 'the download broke off', { cause })
  } finally {
    clearTimeout(timer)
  }
}
