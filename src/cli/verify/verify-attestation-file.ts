import { createReadStream } from 'node:fs'
import { documentBytesMax, signedDocumentBytesMax } from '../../core/limits.js'
import { parseSignedDocument } from '../../crypto/dsse.js'
import { openBytes } from '../../crypto/holder/open-envelope.js'
import { parseAnnex } from '../../format/agreement-annex.js'
import { parseCanonical } from '../../format/canonical-json.js'
import { checkpointPolicy, openCheckpoint, type Checkpoint } from '../../format/checkpoint.js'
import { verifyReceipt } from '../../format/verify-receipt.js'
import type { SignedAgreement } from '../../format/signed-agreement.js'
import { verifyAttestation, type VerifiedAttestation } from '../../format/verify-attestation.js'
import { linesOfPeriods } from '../attested-lines.js'
import { columns, required, type CommandResult } from '../command.js'
import { exists, readNamedFile } from '../files.js'
import { openPartyFolder } from '../party/party-folder.js'

/** What `escrow verify` was told beside the file. */
export interface AttestationOptions {
  /** The list of leaves; `<file>.leaves` when left out and there. */
  readonly leaves?: string
  readonly annex?: string
  /** Receipts, attestations or checkpoints that were seen earlier. */
  readonly seen?: readonly string[]
  /** Keys of a party, to open the annex with. */
  readonly as?: string
}

/** What a signed document says it is; the empty string when it does not say. Nothing is verified. @throws EscrowError `FORMAT_INVALID` */
export function typeOfDocument(bytes: Uint8Array): string {
  const body = parseCanonical(parseSignedDocument(bytes).payload, documentBytesMax)
  const type = typeof body === 'object' && body !== null && 'type' in body ? body.type : ''
  return typeof type === 'string' ? type : ''
}

/** Verify an attestation. Exit 3 when it does not hold, and when a due time was not met. @throws EscrowError as `verifyAttestation` */
export async function verifyAttestationFile(path: string, pinned: SignedAgreement, options: AttestationOptions): Promise<CommandResult> {
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  const beside = `${path}.leaves`
  const leavesPath = options.leaves ?? ((await exists(beside)) ? beside : null)
  const leaves = leavesPath === null ? null : createReadStream(leavesPath, { highWaterMark: 1 << 20 })
  const seen = await Promise.all((options.seen ?? []).map((one) => seenCheckpoint(one, pinned)))
  const verified = await verifyAttestation(bytes, pinned, { tagSecret: await tagSecretOf(pinned, options), leaves, seen })
  return present(verified, pinned)
}

/** The checkpoint that a receipt or attestation leads to, or a checkpoint itself. @throws EscrowError when it does not hold */
export async function seenCheckpoint(path: string, pinned: SignedAgreement): Promise<Checkpoint> {
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  if (bytes[0] !== '{'.charCodeAt(0)) return openCheckpoint(bytes, checkpointPolicy(pinned.body.log))
  if (typeOfDocument(bytes) === 'escrow/attestation/v1')
    return (await verifyAttestation(bytes, pinned, { tagSecret: null, leaves: null })).checkpoint
  return verifyReceipt(bytes, pinned).checkpoint
}

/** The secret of an agreement's tags, from the annex that every party can open; null when none was given. @throws EscrowError `AGREEMENT_DIGEST`, `ENVELOPE_*` */
export async function tagSecretOf(pinned: SignedAgreement, { annex, as }: AttestationOptions): Promise<Uint8Array | null> {
  if (annex === undefined) return null
  const { identity } = await openPartyFolder(required(as, '--as, the keys that open the annex'))
  const opened = parseAnnex(openBytes(await readNamedFile(annex, signedDocumentBytesMax), identity), pinned.body)
  return Buffer.from(opened.tagSecret, 'hex')
}

function present(verified: VerifiedAttestation, pinned: SignedAgreement): CommandResult {
  const { attestation, checkpoint, degraded, completeness, tagChecked, periods } = verified
  const { witnessQuorum } = pinned.body.log
  const complete = {
    scanned: `every leaf of the log was looked at: none of this source is missing`,
    closed: 'the chain has no gap and goes on past the period; with --leaves nothing could be hidden at all',
    'open-ended': 'the chain has no gap, but newer events may have been left out: ask for the list of leaves (--leaves)',
  }[completeness]
  const lines = [
    `the attestation holds for ${attestation.source} from ${attestation.from} to ${attestation.to}`,
    ...columns([
      ['in the log', `${attestation.log.leaves.length} events under a checkpoint of ${checkpoint.size} leaves of ${checkpoint.origin}`],
      ['witnessed', `${checkpoint.cosignatures.length} of ${witnessQuorum} demanded${degraded ? '; DEGRADED' : ''}`],
      ['complete', complete],
      ['tag', tagChecked ? 'is that of this source' : "taken at the agent's word; with --annex and --as it is checked"],
    ]),
    ...linesOfPeriods(periods),
  ]
  const unmet = periods.some(({ outcome }) => !['deposit', 'unchanged', 'open'].includes(outcome))
  const { source, from, to } = attestation
  const log = { origin: checkpoint.origin, size: checkpoint.size, cosignatures: checkpoint.cosignatures.length, witnessQuorum }
  return {
    json: { attestation: { source, from, to }, log, degraded, completeness, tagChecked, periods, problems: [] },
    lines,
    exitCode: unmet ? 3 : 0,
  }
}
