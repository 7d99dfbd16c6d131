import { basename } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { AttachedKind } from '../format/attachment.js'
import { columns, type CommandContext, type CommandResult } from './command.js'
import { fileToAttach, type FileToAttach } from './file-to-attach.js'
import { formatBytes } from './terminal.js'

/** Options of `escrow attach`. */
export interface AttachOptions {
  readonly agreement: string
  readonly source: string
  readonly kind: string
  readonly name?: string
}

/**
 * Attach files to the next deposit of a source.
 *
 * @throws EscrowError `ARGUMENT_INVALID`, `FILE_UNREADABLE`; as `StageAttachment.run`
 */
export async function attach(context: CommandContext, options: AttachOptions, ...paths: string[]): Promise<CommandResult> {
  const kind = AttachedKind.parse(options.kind)
  if (options.name !== undefined && paths.length > 1) throw new EscrowError('ARGUMENT_INVALID', 'expected one file with --name')
  if (kind === 'build-secrets' && options.name === undefined) {
    throw new EscrowError(
      'ARGUMENT_INVALID',
      'expected --name with build secrets: a neutral label, because their own name is sealed with them',
    )
  }
  const { attachAtHome } = await import('./agent-attach.js')
  const files: FileToAttach[] = []
  for (const path of paths) files.push(await fileToAttach(context, { path, kind, name: options.name ?? basename(path) }))
  const attached = await attachAtHome(context, options, files)
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
