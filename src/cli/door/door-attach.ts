import { basename } from 'node:path'
import { EscrowError } from '../../core/errors.js'
import { AttachedKind } from '../../format/attachment.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { fileToAttach, requireLabel, type Attached, type FileToAttach } from '../file-to-attach.js'
import { formatBytes } from '../terminal.js'

/** Options of `escrow attach`. */
export interface AttachOptions {
  /** Its id in the home folder; over the network the signed document. */
  readonly agreement: string
  readonly source: string
  readonly kind: string
  readonly name?: string
  /** Over the network: of the vault, and where what was sealed waits until it is sent. */
  readonly epoch?: number
  readonly state?: string
}

/**
 * Attach files to the next deposit of a source: in a home folder, or sealed here and sent to a service.
 *
 * @throws EscrowError `ARGUMENT_INVALID`, `FILE_UNREADABLE`; as `attachAtHome` or `attachOverNetwork`
 */
export async function attach(context: CommandContext, options: AttachOptions, ...paths: string[]): Promise<CommandResult> {
  const kind = AttachedKind.parse(options.kind)
  if (options.name !== undefined && paths.length > 1) throw new EscrowError('ARGUMENT_INVALID', 'expected one file with --name')
  requireLabel(kind, options.name)
  const files: FileToAttach[] = []
  for (const path of paths) files.push(await fileToAttach(context, { path, kind, name: options.name ?? basename(path) }))
  const attached = await attachAll(context, options, files)
  const lines = attached.flatMap((one, place) => [
    `${one.name} waits for the next deposit of ${options.source}`,
    ...columns([
      ['kind', kind],
      ['file', `${formatBytes(files[place]?.file.sizeBytes ?? 0)}, SHA-256 ${files[place]?.file.sha256 ?? ''}`],
      ['sealed', `${formatBytes(one.sealedBytes)}, SHA-256 ${one.sealedSha256}`],
      ['until', `${one.waitUntil.toISOString()}: attach it again if there was no deposit by then`],
    ]),
  ])
  const json = attached.map((one, place) => ({ ...one, kind, sha256: files[place]?.file.sha256, sizeBytes: files[place]?.file.sizeBytes }))
  return { json: { source: options.source, attached: json }, lines }
}

async function attachAll(context: CommandContext, options: AttachOptions, files: readonly FileToAttach[]): Promise<readonly Attached[]> {
  const { service } = context
  if (service === null) return (await import('../agent/agent-attach.js')).attachAtHome(context, options, files)
  return (await import('../holder/deposit/holder-attach.js')).attachOverNetwork(context, { ...options, service }, files)
}
