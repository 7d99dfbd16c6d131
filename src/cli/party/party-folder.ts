import { join, resolve } from 'node:path'
import type { Entropy } from '../../core/environment.js'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { documentBytesMax } from '../../core/limits.js'
import { encodeIdentity, identityToRecipient } from '../../crypto/recipient.js'
import type { VerifyingKey } from '../../crypto/dsse.js'
import { generateSigningSeed, signingKeyFromSeed, type SigningKey } from '../../crypto/signature.js'
import { Party } from '../../format/agreement.js'
import {
  encodeIdentityFile,
  encodeSecretFile,
  encodeSigningKeyFile,
  encodeSshKeyFile,
  keyFileNames,
  parseIdentityFile,
  parseSecretFile,
  parseSigningKeyFile,
  parseSshKeyFile,
} from '../../format/key-file.js'
import { sameKey } from '../../format/signed-agreement.js'
import { sshSigningKey } from './ssh-keygen.js'
import { exists, fileFault, readNamedFile, writeNamedFile } from '../files.js'

/** The keys of one party, opened: whoever holds this can sign and open as that party. */
export interface PartyFolder {
  readonly path: string
  readonly card: Party
  readonly signingKey: SigningKey
  /** The same key as the card names it. */
  readonly pinnedKey: VerifyingKey
  /** AGE-SECRET-KEY-1... */
  readonly identity: string
}

/** What a party says about itself beside its keys. */
export type PartyDescription = Pick<Party, 'party' | 'role' | 'name' | 'organisation' | 'standing'>

/** An SSH key that a party has already, by its public key file. */
export interface SshKeyChoice {
  readonly path: string
  /** Which ssh-keygen signs with it. */
  readonly program: string
}

/**
 * Make the keys of a party: an age identity, an Ed25519 signing key, a secret for known objects, and the public card that others pin.
 *
 * @param ssh - sign with this SSH key instead; then no signing key is made.
 * @throws EscrowError `FILE_EXISTS` when there are keys already: keys are never overwritten; `KEY_INVALID` for an SSH key of another type
 */
export async function createPartyFolder(
  path: string,
  description: PartyDescription,
  entropy: Entropy,
  ssh?: SshKeyChoice,
): Promise<PartyFolder> {
  for (const name of Object.values(keyFileNames)) {
    if (await exists(join(path, name))) throw fileFault(join(path, name), { code: 'EEXIST' })
  }
  const identity = encodeIdentity(entropy.bytes(32))
  const { signingKey, pinnedKey, name, text } = ssh === undefined ? freshKey(entropy) : await knownKey(ssh)
  const card = Party.parse({
    ...description,
    keys: [pinnedKey],
    recipient: description.role === 'arbiter' ? null : identityToRecipient(identity),
    recoveryRecipient: null,
  })
  const secret = { secret: true, replace: false } as const
  await writeNamedFile(join(path, name), text, secret)
  await writeNamedFile(join(path, keyFileNames.identity), encodeIdentityFile(identity), secret)
  await writeNamedFile(join(path, keyFileNames.knownObjects), encodeSecretFile(entropy.bytes(32)), secret)
  await writeNamedFile(join(path, keyFileNames.card), `${JSON.stringify(card, undefined, 2)}\n`, { replace: false })
  return { path, card, signingKey, pinnedKey, identity }
}

/** How a party signs, and the file that says so. */
interface NewKey {
  readonly signingKey: SigningKey
  readonly pinnedKey: VerifyingKey
  readonly name: string
  readonly text: string
}

function freshKey(entropy: Entropy): NewKey {
  const seed = generateSigningSeed(entropy)
  const signingKey = signingKeyFromSeed(seed)
  const text = encodeSigningKeyFile(seed)
  seed.fill(0)
  return { signingKey, pinnedKey: { kind: 'ed25519', publicKey: signingKey.publicKey }, name: keyFileNames.signing, text }
}

async function knownKey(ssh: SshKeyChoice): Promise<NewKey> {
  const place = { path: resolve(ssh.path), program: ssh.program }
  const signingKey = await openSshKey(place)
  return {
    signingKey,
    pinnedKey: { kind: 'sshsig', publicKey: signingKey.publicKey },
    name: keyFileNames.ssh,
    text: encodeSshKeyFile(place),
  }
}

/** A line of type, base64 and perhaps a comment, as `ssh-keygen` writes it. */
async function openSshKey(place: SshKeyChoice): Promise<SigningKey> {
  const line = (await readNamedFile(place.path, 64 * 1024)).toString('utf8').trim()
  const [type = '', encoded = ''] = line.split(/[ \t]+/)
  if (line.includes('\n')) throw new EscrowError('KEY_INVALID', `${place.path}: expected one public key, as in a file that ends in .pub`)
  return sshSigningKey({ ...place, publicKey: `${type} ${encoded}` })
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
  const kind = (await exists(join(path, keyFileNames.ssh))) ? 'sshsig' : 'ed25519'
  const signingKey =
    kind === 'sshsig'
      ? await openSshKey(parseSshKeyFile(await text(keyFileNames.ssh)))
      : signingKeyFromSeed(parseSigningKeyFile(await text(keyFileNames.signing)))
  const pinnedKey = { kind, publicKey: signingKey.publicKey } as const
  const identity = parseIdentityFile(await text(keyFileNames.identity))
  const pinned = card.keys.some((key) => sameKey(key, pinnedKey))
  if (!pinned || (card.recipient !== null && card.recipient !== identityToRecipient(identity))) {
    throw new EscrowError('KEY_INVALID', `the keys in ${path} are not those that its ${keyFileNames.card} names`)
  }
  return { path, card, signingKey, pinnedKey, identity }
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
