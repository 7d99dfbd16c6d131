import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../core/environment.js'
import { generateSigningSeed, signingKeyFromSeed, type SigningKey } from '../crypto/signature.js'
import { encodeSigningKeyFile, keyFileNames, parseSigningKeyFile } from '../format/key-file.js'
import type { CommandContext, CommandResult } from './command.js'
import { exists, readNamedFile, writeNamedFile } from './files.js'
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
