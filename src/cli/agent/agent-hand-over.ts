// The folder as transport: what the service serves over HTTP, written into a beneficiary's mailbox by the same use case.
import { SystemEntropy } from '../../core/environment.js'
import { ListDownload } from '../../release/grant/list-download.js'
import { ServeDownload } from '../../release/grant/serve-download.js'
import { FsArchiveTarget } from '../../store/fs-archive-target.js'
import { parseObjectKey } from '../../store/object-key.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { formatBytes, formatCount } from '../terminal.js'

interface HandOverOptions {
  readonly to: string
  readonly into: string
  readonly address: string
}

/**
 * Write everything that was granted to a beneficiary into a folder; what lies there already is not fetched again. Judged and recorded like
 * any download.
 *
 * @throws EscrowError as `ServeDownload`
 */
export async function handOver(context: CommandContext, options: HandOverOptions, requestId: string): Promise<CommandResult> {
  return withService(context, async (app) => {
    const visitor = { requestId, party: options.to, address: options.address }
    const { objects, expiresAt, returnByAt } = await app.get(ListDownload).run(visitor, context.signal)
    const target = new FsArchiveTarget(options.into, new SystemEntropy())
    let [written, bytes] = [0, 0]
    for (const [place, { key, sizeBytes }] of objects.entries()) {
      context.progress({ phase: 'handing over', done: place, total: objects.length, unit: 'objects', bytes })
      if (await target.holds(parseObjectKey(key), sizeBytes)) continue
      const { body } = await app.get(ServeDownload).run({ ...visitor, key }, context.signal)
      await target.write(parseObjectKey(key), body)
      written += 1
      bytes += sizeBytes
    }
    await publishLog(app, context.signal)
    const lines = columns([
      ['handed over', `${formatCount(written)} objects with ${formatBytes(bytes)}, each verified and recorded`],
      ['there already', formatCount(objects.length - written)],
      ['until', expiresAt.toISOString()],
      ['return by', returnByAt?.toISOString() ?? 'may be kept'],
      ['written to', options.into],
    ])
    const json = { request: requestId, to: options.to, into: options.into, written, bytes, held: objects.length - written }
    return { json: { ...json, expiresAt, returnByAt }, lines }
  })
}
