import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { generateSigningSeed, signingKeyFromSeed, type SigningKey } from '../../crypto/signature.js'
import { encodeSigningKeyFile, keyFileNames, parseSigningKeyFile } from '../../format/key-file.js'
import { openCheckpoint } from '../../format/checkpoint.js'
import { noteKey, parseNoteKey, signatureType, type NoteKey } from '../../format/note.js'
import { signOutage, type SilentLog } from '../../format/outage.js'
import { WitnessMemory } from '../../log/witness-memory.js'
import type { WitnessIdentity } from '../../log/witness.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { exists, readNamedFile, writeNamedFile } from '../files.js'
import { runWitness } from './witness.js'

interface WitnessCommandOptions {
  readonly name: string
  readonly log: readonly string[]
  readonly host: string
  readonly port: number
}

/** Run a witness on a folder that holds its key and its memory; the key is made when there is none. */
export async function witness(context: CommandContext, options: WitnessCommandOptions, folder: string): Promise<CommandResult> {
  const { name, log: logs, host, port } = options
  return runWitness(context, { folder, name, logs, host, port, signer: await signerOf(folder), clock: new SystemClock() })
}

async function signerOf(folder: string): Promise<SigningKey> {
  const path = join(folder, keyFileNames.signing)
  if (!(await exists(path))) {
    await writeNamedFile(path, encodeSigningKeyFile(generateSigningSeed(new SystemEntropy())), { secret: true, replace: false })
  }
  return signingKeyFromSeed(parseSigningKeyFile((await readNamedFile(path, 64 * 1024)).toString('utf8')))
}

/**
 * Attest how long a log has been silent, as a witness that watches it.
 *
 * @throws EscrowError `KEY_MISSING` without the witness's key; `CHECKPOINT_INVALID`, `KEY_INVALID`
 */
export async function attestOutage(
  _context: CommandContext,
  options: { readonly name: string; readonly log: string; readonly out: string },
  folder: string,
): Promise<CommandResult> {
  if (!(await exists(join(folder, keyFileNames.signing))))
    throw new EscrowError('KEY_MISSING', `expected the key of a witness in ${folder}`)
  const [now, log] = [new SystemClock().now(), parseNoteKey(options.log)]
  const identity = { name: options.name, signer: await signerOf(folder) }
  const silent = await lastCosigned(folder, log, identity)
  const attestation = signOutage(silent, identity, Math.floor(now.getTime() / 1000))
  // The witness may run, and cosign while we sign: then there was no silence.
  const after = await lastCosigned(folder, log, identity)
  if (after.cosignedAt !== silent.cosignedAt)
    throw new EscrowError('WITNESS_REFUSED', 'the log has just shown a checkpoint: it is not silent')
  await writeNamedFile(options.out, attestation)
  const since = new Date(silent.cosignedAt * 1000).toISOString()
  const lines = columns([
    ['log', silent.origin],
    ['last cosigned', `${since}, ${silent.size} leaves`],
    ['attested', now.toISOString()],
    ['written to', options.out],
  ])
  return { json: { origin: silent.origin, size: silent.size, cosignedAt: silent.cosignedAt, file: options.out }, lines }
}

/**
 * Read without the lock of the folder: the file is replaced whole.
 *
 * @throws EscrowError `NOT_FOUND` when it never cosigned: who has just begun, or lost its memory, cannot say since when a log is silent
 */
async function lastCosigned(folder: string, log: NoteKey, { name, signer }: WitnessIdentity): Promise<SilentLog> {
  const bytes = await (await WitnessMemory.open(folder)).read(log.name)
  if (bytes === null) throw new EscrowError('NOT_FOUND', `expected a checkpoint of ${log.name} that this witness has cosigned, got none`)
  const own = noteKey(name, signatureType.cosignature, signer.publicKey)
  const policy = { origin: log.name, logKey: log, witnesses: [own], witnessQuorum: 1 }
  const { origin, size, root, cosignatures } = openCheckpoint(bytes, policy)
  const [cosignature] = cosignatures
  if (cosignature === undefined)
    throw new EscrowError('KEY_INVALID', `expected a checkpoint that ${name} has cosigned with this key, got none`)
  return { origin, size, root, cosignedAt: cosignature.timestamp }
}
