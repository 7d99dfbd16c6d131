import { join } from 'node:path'
import type { Entropy } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import { encodeIdentity, identityToRecipient } from '../crypto/recipient.js'
import { generateSigningSeed, signingKeyFromSeed, type SigningKey } from '../crypto/signature.js'
import { Party } from '../format/agreement.js'
import {
  encodeIdentityFile,
  encodeSecretFile,
  encodeSigningKeyFile,
  keyFileNames,
  parseIdentityFile,
  parseSecretFile,
  parseSigningKeyFile,
} from '../format/key-file.js'
import { exists, readNamedFile, writeNamedFile } from './files.js'

/** The keys of one party, opened: whoever holds this can sign and open as that party. */
export interface PartyFolder {
  readonly path: string
  readonly card: Party
  readonly signingKey: SigningKey
  /** AGE-SECRET-KEY-1... */
  readonly identity: string
}

/** What a party says about itself beside its keys. */
export type PartyDescription = Pick<Party, 'party' | 'role' | 'name' | 'organisation' | 'standing'>

/**
 * Make the keys of a party: an age identity, an Ed25519 signing key, a secret for known objects, and the public card that others pin.
 *
 * @throws EscrowError `FILE_UNREADABLE` when there are keys already: keys are never overwritten.
 */
export async function createPartyFolder(path: string, description: PartyDescription, entropy: Entropy): Promise<PartyFolder> {
  const identity = encodeIdentity(entropy.bytes(32))
  const seed = generateSigningSeed(entropy)
  const signingKey = signingKeyFromSeed(seed)
  const card = Party.parse({
    ...description,
    keys: [{ kind: 'ed25519', publicKey: signingKey.publicKey }],
    recipient: description.role === 'arbiter' ? null : identityToRecipient(identity),
    recoveryRecipient: null,
  })
  const secret = { secret: true, replace: false } as const
  await writeNamedFile(join(path, keyFileNames.signing), encodeSigningKeyFile(seed), secret)
  await writeNamedFile(join(path, keyFileNames.identity), encodeIdentityFile(identity), secret)
  await writeNamedFile(join(path, keyFileNames.knownObjects), encodeSecretFile(entropy.bytes(32)), secret)
  await writeNamedFile(join(path, keyFileNames.card), `${JSON.stringify(card, undefined, 2)}\n`, { replace: false })
  seed.fill(0)
  return { path, card, signingKey, identity }
}

/**
 * Make the keys of a service: those of a party, and one more that signs the log's checkpoints.
 *
 * @returns the folder, and the log's key; its seed is on disk only.
 * @throws EscrowError as `createPartyFolder`
 */
export async function createAgentFolder(
  path: string,
  description: PartyDescription,
  entropy: Entropy,
): Promise<{ readonly party: PartyFolder; readonly logKey: SigningKey }> {
  const party = await createPartyFolder(path, description, entropy)
  const seed = generateSigningSeed(entropy)
  await writeNamedFile(join(path, keyFileNames.log), encodeSigningKeyFile(seed), { secret: true, replace: false })
  const logKey = signingKeyFromSeed(seed)
  seed.fill(0)
  return { party, logKey }
}

/**
 * Open a folder that `createPartyFolder` made.
 *
 * @throws EscrowError `KEY_MISSING` when there are no keys; `KEY_INVALID` when keys and card do not belong together; `FORMAT_INVALID`
 */
export async function openPartyFolder(path: string): Promise<PartyFolder> {
  const card = await readPartyCard(join(path, keyFileNames.card)).catch((error: unknown) => {
    if (!isEscrowError(error, 'FILE_UNREADABLE')) throw error
    throw new EscrowError('KEY_MISSING', `expected the keys of a party in ${path}: ${error.message}`, { cause: error })
  })
  const text = async (name: string) => (await readNamedFile(join(path, name), 64 * 1024)).toString('utf8')
  const signingKey = signingKeyFromSeed(parseSigningKeyFile(await text(keyFileNames.signing)))
  const identity = parseIdentityFile(await text(keyFileNames.identity))
  const pinned = card.keys.some((key) => key.kind === 'ed25519' && key.publicKey === signingKey.publicKey)
  if (!pinned || (card.recipient !== null && card.recipient !== identityToRecipient(identity))) {
    throw new EscrowError('KEY_INVALID', `the keys in ${path} are not those that its ${keyFileNames.card} names`)
  }
  return { path, card, signingKey, identity }
}

/** The secret with which a depositor or the agent recognises known objects. @throws EscrowError `KEY_INVALID`, `FILE_UNREADABLE` */
export async function readKnownObjectsSecret(path: string): Promise<Uint8Array> {
  return parseSecretFile((await readNamedFile(join(path, keyFileNames.knownObjects), 64 * 1024)).toString('utf8'))
}

/**
 * The public card of a party.
 *
 * @param path - the card, or the folder that holds it.
 * @throws EscrowError `FORMAT_INVALID`, `FILE_UNREADABLE`
 */
export async function readPartyCard(path: string): Promise<Party> {
  const inFolder = join(path, keyFileNames.card)
  const text = (await readNamedFile((await exists(inFolder)) ? inFolder : path, documentBytesMax)).toString('utf8')
  const parsed = Party.safeParse(parseJson(text, path))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new EscrowError('FORMAT_INVALID', `${path}: expected the card of a party: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`)
  }
  return parsed.data
}

/** JSON that a person named. @throws EscrowError `FORMAT_INVALID` */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new EscrowError('FORMAT_INVALID', `${path}: expected JSON: ${(error as Error).message}`, { cause: error })
  }
}
