import { join, resolve } from 'node:path'
import { configFileName, parseConfig } from '../../../config/load.js'
import { laptopConfig } from '../../../config/laptop.js'
import { SystemEntropy } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { configBytesMax } from '../../core/limits.js'
import { makeFolders } from '../../core/make-folders.js'
import { keyFileNames } from '../../format/key-file.js'
import { formatNoteKey, noteKey, signatureType } from '../../format/note.js'
import { StoreReadme } from '../../escrow/archive/store-readme.js'
import { makeReplicas } from '../../adapters.module.js'
import { withService } from './agent-context.js'
import type { ServiceCard } from '../party/agreement-draft.js'
import { columns, required, type CommandContext, type CommandResult } from '../command.js'
import { exists, fileFault, readNamedFile, writeNamedFile } from '../files.js'
import { createAgentFolder } from '../party/party-folder.js'

interface InitOptions {
  readonly origin?: string
  readonly config?: string
  readonly organisation: string
  readonly country: string
  readonly control?: string
}

/**
 * Make a home folder: of the laptop footprint, or of the one that a configuration file describes.
 *
 * @throws EscrowError `FOLDER_NOT_EMPTY` when there is one, `CONFIG_INVALID`, `FILE_*`, `STORE_*`
 */
export async function init(context: CommandContext, options: InitOptions): Promise<CommandResult> {
  const { home } = context
  if (await exists(join(home, configFileName))) throw new EscrowError('FOLDER_NOT_EMPTY', `there is a home folder at ${home} already`)
  const control = options.control ?? options.country
  const text = await configOf(options, control)
  // What is wrong with it is said before there is a home, which would be in the way of the next try.
  const config = parseConfig(text, { file: options.config ?? join(home, configFileName), home: resolve(home) })
  await makeFolders(home, { mode: 0o700 }).catch((error: unknown) => {
    throw fileFault(home, error)
  })
  await makeReplicas(config.replicas, context.signal)
  await writeNamedFile(join(home, configFileName), text)
  const standing = { country: options.country, control, foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 }
  const description = { party: 'agent', role: 'agent' as const, name: options.organisation, organisation: options.organisation, standing }
  const { party: agent, logKey } = await createAgentFolder(config.keysFolder, description, new SystemEntropy())
  const key = formatNoteKey(noteKey(config.origin, signatureType.ed25519, logKey.publicKey))
  const card: ServiceCard = { type: 'escrow/service/v1', origin: config.origin, log: { origin: config.origin, key } }
  await writeNamedFile(join(home, 'service.json'), `${JSON.stringify(card, undefined, 2)}\n`)
  await withService(context, (app) => app.get(StoreReadme).run(context.signal))
  const lines = columns([
    ['home', home],
    ['replicas', config.replicas.map((replica) => `${replica.name} (${replica.country})`).join(', ')],
    ['agent', agent.signingKey.fingerprint],
    ['log', key],
    ['give others', `${join(home, 'service.json')} and ${join(config.keysFolder, keyFileNames.card)}`],
  ])
  return { json: { home, origin: config.origin, agent: agent.signingKey.fingerprint, log: key }, lines }
}

async function configOf(options: InitOptions, control: string): Promise<string> {
  if (options.config !== undefined) return (await readNamedFile(options.config, configBytesMax)).toString('utf8')
  return laptopConfig({ origin: required(options.origin, '--origin, or a file with --config'), country: options.country, control })
}
