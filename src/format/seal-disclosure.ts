// What a depositor shows to one verifier, so that it sees without any custodian that the vault opens a deposit: the secrets that its envelope was
// made with. They open this one deposit, so the file goes to somebody who is entitled to its plaintext, sealed to that somebody alone.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { sealDisclosureBytesMax } from '../core/limits.js'
import { reopenSealed } from '../crypto/check-sealed-header.js'
import { Digester } from '../crypto/digest.js'
import { canonicalize, parseCanonical } from './canonical-json.js'
import { Sha256Hex, Slug } from './ids.js'
import type { Manifest } from './manifest.js'
import { parseBody } from './parse-body.js'

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `expected ${bytes} bytes in lower-case hex`)

/** The body of a disclosure. Not signed: what it says is recomputed. */
export const SealDisclosure = z.strictObject({
  type: z.literal('escrow/seal-disclosure/v1'),
  source: Slug,
  sequence: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  /** Digest of the manifest whose envelope it opens. */
  manifest: Sha256Hex,
  fileKey: hex(16),
  /** Of the only stanza, which is the vault's. */
  ephemeralScalar: hex(32),
})
export type SealDisclosure = z.infer<typeof SealDisclosure>

/** The bytes that are sealed to the verifier. */
export function encodeSealDisclosure(disclosure: SealDisclosure): Uint8Array {
  return canonicalize(disclosure)
}

/** Read a disclosure that was opened. @param bytes - attacker-controlled. @throws EscrowError `FORMAT_INVALID` */
export function parseSealDisclosure(bytes: Uint8Array): SealDisclosure {
  return parseBody(parseCanonical(bytes, sealDisclosureBytesMax), SealDisclosure, 'seal disclosure')
}

/**
 * Verify that the vault of an agreement opens an envelope: its header, byte for byte, is the one that these secrets make for the vault's recipient,
 * and the payload is the bundle of the manifest.
 *
 * @param envelope - the whole envelope as it is stored; attacker-controlled.
 * @param on.manifest - its signature verified, and its digest.
 * @returns the bundle as it is opened; to be thrown away when this throws, also at the very end.
 * @throws EscrowError `SEAL_BROKEN` when header or payload are others, or the disclosure is of another deposit; `RECIPIENT_INVALID` when the manifest
 *   names another vault than the agreement
 *
 * Source: docs/formats/seal-disclosure.md, decision 0011 for what a dealer can still do.
 */
export async function* verifyDisclosedSeal(
  envelope: AsyncIterable<Uint8Array>,
  on: {
    readonly disclosure: SealDisclosure
    readonly manifest: Pick<Manifest, 'envelope' | 'bundle'>
    readonly manifestDigest: string
    /** The vault's recipient, as the agreement has it for the epoch. */
    readonly vault: string
  },
): AsyncGenerator<Uint8Array> {
  const { disclosure, manifest, manifestDigest } = on
  if (disclosure.manifest !== manifestDigest)
    throw broken(`expected a disclosure of manifest ${manifestDigest}, got one of ${disclosure.manifest}`)
  const { vault } = on
  if (manifest.envelope.recipient !== vault) {
    throw new EscrowError('RECIPIENT_INVALID', `expected an envelope to the vault ${vault}, got one to ${manifest.envelope.recipient}`)
  }
  const fileKey = Buffer.from(disclosure.fileKey, 'hex')
  const scalar = Buffer.from(disclosure.ephemeralScalar, 'hex')
  const digester = new Digester()
  try {
    for await (const plain of reopenSealed(envelope, { fileKey, ephemeralScalars: [scalar], recipients: [vault] })) {
      digester.update(plain)
      yield plain
    }
  } finally {
    for (const secret of [fileKey, scalar]) secret.fill(0)
  }
  const { sha256, sizeBytes } = digester.finish()
  if (sha256 === manifest.bundle.sha256 && sizeBytes === manifest.bundle.sizeBytes) return
  throw broken(
    `expected a bundle of ${manifest.bundle.sizeBytes} bytes with digest ${manifest.bundle.sha256}, got ${sizeBytes} bytes with ${sha256}`,
  )
}

function broken(words: string): EscrowError {
  return new EscrowError('SEAL_BROKEN', words)
}
