// The key files of a party and of the agent, as text that a person can recognise and that `age` can use.
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import { identityToRecipient } from '../crypto/recipient.js'
import { EscrowError } from '../core/errors.js'

const seedTitle = 'escrow-signing-key/v1'
const sshTitle = 'escrow-ssh-key/v1'
const secretTitle = 'escrow-secret/v1'

/** Names of the files in a folder of keys. */
export const keyFileNames = {
  card: 'party.json',
  signing: 'signing.key',
  /** In the place of `signing`: which SSH key signs, and by which program. */
  ssh: 'signing.ssh',
  identity: 'identity.age.key',
  knownObjects: 'known-objects.key',
  log: 'log.key',
} as const

/** The text of `signing.key`: a title and the 32-byte Ed25519 seed in base64. Secret. */
export function encodeSigningKeyFile(seed: Uint8Array): string {
  return `${seedTitle}\n${encodeBase64(seed)}\n`
}

/** The seed of a signing key file; the caller wipes it. @throws EscrowError `KEY_INVALID` */
export function parseSigningKeyFile(text: string): Uint8Array {
  return parseTitled(text, seedTitle, 'a signing key')
}

/** The text of `signing.ssh`: a title, the path of a public key file, and a program. No secret. @throws EscrowError `KEY_INVALID` for a line feed */
export function encodeSshKeyFile(key: { readonly path: string; readonly program: string }): string {
  const text = `${sshTitle}\npath ${key.path}\nprogram ${key.program}\n`
  parseSshKeyFile(text)
  return text
}

/** What such a file says. @throws EscrowError `KEY_INVALID` */
export function parseSshKeyFile(text: string): { readonly path: string; readonly program: string } {
  const [, path, program] = /^escrow-ssh-key\/v1\npath ([^\n\0]{1,4096})\nprogram ([^\n\0]{1,4096})\n$/.exec(text) ?? []
  if (path === undefined || program === undefined) {
    throw new EscrowError('KEY_INVALID', `expected ${sshTitle} with the path of a public key and a program`)
  }
  return { path, program }
}

/** The text of a file with a symmetric secret of 32 bytes (known objects). Secret. */
export function encodeSecretFile(secret: Uint8Array): string {
  return `${secretTitle}\n${encodeBase64(secret)}\n`
}

/** The secret of such a file; the caller wipes it. @throws EscrowError `KEY_INVALID` */
export function parseSecretFile(text: string): Uint8Array {
  return parseTitled(text, secretTitle, 'a secret')
}

/** The text of `identity.age.key`, as `age-keygen` writes it, so that `age -d -i` takes it. Secret. */
export function encodeIdentityFile(identity: string): string {
  return `# public key: ${identityToRecipient(identity)}\n${identity}\n`
}

/** The identity in such a file. @throws EscrowError `KEY_INVALID` */
export function parseIdentityFile(text: string): string {
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'))
  const [identity] = lines
  if (identity === undefined || lines.length > 1) throw new EscrowError('KEY_INVALID', `expected one identity, got ${lines.length}`)
  identityToRecipient(identity)
  return identity
}

function parseTitled(text: string, title: string, what: string): Uint8Array {
  const [first, encoded = '', ...rest] = text.split('\n')
  const bytes = decodeBase64(encoded)
  if (first !== title || bytes?.byteLength !== 32 || rest.join('') !== '') {
    throw new EscrowError('KEY_INVALID', `expected ${what}: ${title} and 32 bytes in base64`)
  }
  return bytes
}
