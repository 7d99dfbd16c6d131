import type { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { witnessLogsMax } from '../../core/limits.js'
import type { SigningKey } from '../../crypto/signature.js'
import { HomeLock } from '../../db/home-lock.js'
import { formatNoteKey, noteKey, parseNoteKey, signatureType } from '../../format/note.js'
import { WitnessMemory } from '../../log/witness-memory.js'
import { serveWitness } from '../../log/witness-server.js'
import { Witness, type WatchedLog } from '../../log/witness.js'
import type { CommandContext, CommandResult } from '../command.js'

/** What `escrow witness` was told. */
export interface WitnessOptions {
  /** Where it remembers; one process at a time. */
  readonly folder: string
  /** Its key name, for example `witness.example.org/escrow`. */
  readonly name: string
  /** Used for cosignatures and nothing else: not a party's key. */
  readonly signer: SigningKey
  /** Verifier keys of the logs to watch (`origin+hash+base64`), as the agreements have them. */
  readonly logs: readonly string[]
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly clock: Clock
}

/**
 * Run a witness until the context's signal is aborted.
 *
 * @param ready - hears where it listens; for tests and scripts.
 * @throws EscrowError `KEY_INVALID`, `ARGUMENT_INVALID`, `HOME_LOCKED`, `FILE_UNREADABLE`; `CHECKPOINT_INVALID` when what it remembers is
 *   damaged: restore the folder from a copy, or tell the parties that this witness starts anew under another name
 */
export async function runWitness(
  context: CommandContext,
  options: WitnessOptions,
  ready: (url: string) => void = () => undefined,
): Promise<CommandResult> {
  const logs = watchedLogs(options.logs)
  const key = formatNoteKey(noteKey(options.name, signatureType.cosignature, options.signer.publicKey))
  const lock = await HomeLock.take(options.folder)
  try {
    const memory = await WitnessMemory.open(options.folder)
    const witness = new Witness(memory, logs, options, options.clock)
    const known = await witness.inspect()
    const server = await serveWitness(witness, options, (line) => context.terminal.err(line))
    context.terminal.err(`witness ${key}`)
    for (const { origin, size } of known) context.terminal.err(`watches ${origin} from ${size} leaves`)
    context.terminal.err(`listens on ${server.url}`)
    ready(server.url)
    await aborted(context.signal)
    await server.close()
    return { json: { key, url: server.url }, lines: [key] }
  } finally {
    await lock.release()
  }
}

/** A log's key bears the log's origin as its name. */
function watchedLogs(lines: readonly string[]): readonly WatchedLog[] {
  const logs = lines.map((line) => parseNoteKey(line)).map((key) => ({ origin: key.name, key }))
  if (logs.some(({ key }) => key.type !== signatureType.ed25519)) throw new EscrowError('KEY_INVALID', 'expected log keys of type 1')
  if (logs.length === 0 || logs.length > witnessLogsMax || new Set(logs.map(({ origin }) => origin)).size < logs.length) {
    throw new EscrowError('ARGUMENT_INVALID', `expected 1 to ${witnessLogsMax} logs, each once`)
  }
  return logs
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
