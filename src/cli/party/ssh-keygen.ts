// The second place that starts a process (decision 0005): a person's own ssh-keygen, which knows that person's agents, passphrases and
// security keys. We hold no such key. What it gives back is verified here before anything is written, touch included.
import { spawnSync } from 'node:child_process'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { fingerprintOfSshKey, parseSshSignatureArmour, sshVerifier, statementNamespace } from '../../crypto/sshsig.js'
import type { SigningKey } from '../../crypto/signature.js'

/** Where an SSH key of a party is. */
export interface SshKeyPlace {
  /** The public key file; the private one lies beside it, in ssh-agent, or in hardware. */
  readonly path: string
  /** Type and base64, as the agreement pins it. */
  readonly publicKey: string
  /** Which ssh-keygen; found in PATH unless it is a path. */
  readonly program: string
}

const outputBytesMax = 64 * 1024

/**
 * A signing key that asks ssh-keygen for each signature. It waits for the person: a passphrase, or a touch.
 *
 * @returns `sign` throws EscrowError `SIGNING_FAILED` when ssh-keygen gives none, or one that does not verify: of another key, in another
 *   namespace, or by a security key that nobody touched.
 * @throws EscrowError `KEY_INVALID` for a public key of a type that no agreement takes
 */
export function sshSigningKey(place: SshKeyPlace): SigningKey {
  const fingerprint = fingerprintOfSshKey(place.publicKey)
  const verify = sshVerifier(place.publicKey, statementNamespace)
  return {
    publicKey: place.publicKey,
    fingerprint,
    sign(message) {
      const blob = askForSignature(place, message)
      if (verify(message, blob)) return blob
      throw new EscrowError(
        'SIGNING_FAILED',
        `expected a signature by ${fingerprint}, with a touch where the key is in hardware, got another`,
      )
    },
  }
}

/** The message goes by stdin, passphrases by the terminal; a person reads on stderr that a touch is waited for. */
function askForSignature({ path, program }: SshKeyPlace, message: Uint8Array): Uint8Array {
  const ran = spawnSync(program, ['-Y', 'sign', '-n', statementNamespace, '-f', path], {
    input: message,
    stdio: ['pipe', 'pipe', 'inherit'],
    maxBuffer: outputBytesMax,
  })
  if (ran.error !== undefined) {
    throw new EscrowError('SIGNING_FAILED', `expected ${program} to run: ${ran.error.message}`, { cause: ran.error })
  }
  // Some versions say on stdout that they wait for a touch.
  const armour = /-----BEGIN SSH SIGNATURE-----[^]*?-----END SSH SIGNATURE-----\n/.exec(ran.stdout.toString('latin1'))?.[0]
  if (ran.status !== 0 || armour === undefined) {
    throw new EscrowError('SIGNING_FAILED', `expected ${program} to sign with ${path}, but it ended with ${ran.status ?? ran.signal}`)
  }
  try {
    return parseSshSignatureArmour(armour)
  } catch (error) {
    if (!isEscrowError(error)) throw error
    throw new EscrowError('SIGNING_FAILED', error.message, { cause: error })
  }
}
