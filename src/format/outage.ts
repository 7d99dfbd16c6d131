// A witness's word that a log is silent: docs/formats/outage.md. Custodians act from files alone only when so many witnesses have given it
// that those who are left could not have cosigned anything behind their backs.
import { EscrowError } from '../core/errors.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import type { SigningKey } from '../crypto/signature.js'
import type { LogPolicy } from './agreement.js'
import { checkpointPolicy, type Checkpoint } from './checkpoint.js'
import { cosign, verifyCosignatures } from './cosignature.js'
import { formatNote, parseNote } from './note.js'

const title = 'escrow-outage/v1'
const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Clocks of witnesses and custodians differ by so much. */
const skewMs = 5 * 60 * 1000

/** What a witness says: the newest checkpoint that it has cosigned, and when that was. */
export interface SilentLog extends Checkpoint {
  /** Seconds since 1970 by the witness's clock, at least 1. */
  readonly cosignedAt: number
}

/** The text that a witness signs. It is no checkpoint: its second line is no number. */
export function formatOutageText({ origin, size, root, cosignedAt }: SilentLog): string {
  return `${title}\n${origin}\n${size}\n${encodeBase64(root)}\n${cosignedAt}\n`
}

/**
 * Attest that a log is silent.
 *
 * @param at - seconds since 1970: the moment of the attestation, inside the signature.
 * @returns the bytes of a signed note.
 */
export function signOutage(log: SilentLog, witness: { readonly name: string; readonly signer: SigningKey }, at: number): Uint8Array {
  const text = formatOutageText(log)
  return formatNote({ text, signatures: [cosign(text, witness.name, witness.signer, at)] })
}

/** A verified outage. */
export interface Outage {
  /** Since when no checkpoint can have been witnessed by a quorum. */
  readonly since: Date
  /** Key names of the witnesses that say so. */
  readonly witnesses: readonly string[]
}

/**
 * Verify that a log has been silent for long enough.
 *
 * @param attestations - notes by witnesses; attacker-controlled.
 * @param rules.days - 1 or more: how long the silence must have lasted.
 * @param rules.freshHours - an attestation older than this says nothing about today.
 * @returns the outage with the witnesses that attest it.
 * @throws EscrowError `WITNESS_POLICY` when the agreement names no witnesses, or too few attest: as many must that fewer than a quorum are left;
 *   `SIGNATURE_INVALID` when an attestation was forged; `FORMAT_INVALID`
 */
export function verifyOutage(
  attestations: readonly Uint8Array[],
  policy: LogPolicy,
  rules: { readonly days: number; readonly freshHours: number; readonly now: Date },
): Outage {
  const { witnesses, witnessQuorum, origin } = checkpointPolicy(policy)
  if (witnessQuorum === 0)
    throw new EscrowError('WITNESS_POLICY', 'expected an agreement with witnesses: without them nobody can attest an outage')
  const silentSince = new Map<string, number>()
  for (const bytes of attestations) {
    const note = parseNote(bytes)
    const { cosignedAt } = parseOutageText(note.text, origin)
    const signed = verifyCosignatures(note, witnesses)
    if (signed.length === 0) throw new EscrowError('SIGNATURE_INVALID', 'expected an attestation by a witness of the agreement, got none')
    for (const { witness, timestamp } of signed) {
      const atMs = timestamp * 1000
      const nowMs = rules.now.getTime()
      const fresh = atMs <= nowMs + skewMs && atMs >= nowMs - rules.freshHours * hourMs
      const silent = atMs - cosignedAt * 1000 >= rules.days * dayMs
      if (fresh && silent) silentSince.set(witness, Math.max(cosignedAt * 1000, silentSince.get(witness) ?? 0))
    }
  }
  const need = witnesses.length - witnessQuorum + 1
  if (silentSince.size < need) {
    throw new EscrowError(
      'WITNESS_POLICY',
      `expected ${need} of ${witnesses.length} witnesses to attest within ${rules.freshHours} hours that the log has been silent for ${rules.days} days, got ${silentSince.size}`,
    )
  }
  return { since: new Date(Math.max(...silentSince.values())), witnesses: [...silentSince.keys()] }
}

/** @throws EscrowError `FORMAT_INVALID` for another text, `WITNESS_POLICY` for another log */
function parseOutageText(text: string, origin: string): { readonly cosignedAt: number } {
  const [first, named, size = '', root = '', at = '', ...rest] = text.split('\n')
  const wellFormed = first === title && /^(?:0|[1-9]\d{0,15})$/.test(size) && decodeBase64(root)?.byteLength === 32 && rest.join('') === ''
  if (!wellFormed || rest.length !== 1 || !/^[1-9]\d{0,11}$/.test(at))
    throw new EscrowError('FORMAT_INVALID', `expected ${title}, got another note`)
  if (named !== origin) throw new EscrowError('WITNESS_POLICY', `expected an outage of ${origin}, got one of ${named ?? 'nothing'}`)
  return { cosignedAt: Number(at) }
}
