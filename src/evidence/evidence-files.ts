// Pure: the names in an evidence folder, and its files that are written for people and for other programs.
import { keyidOf } from '../crypto/dsse.js'
import type { SignedAgreement } from '../format/signed-agreement.js'
import { parseObjectKey, type ObjectKey } from '../store/object-key.js'

/** The files of an evidence folder that have a name of their own; all others lie where the archive has them. */
export const evidenceNames = {
  index: parseObjectKey('evidence.json'),
  sums: parseObjectKey('SHA256SUMS'),
  checkpoint: parseObjectKey('checkpoint'),
  leaves: parseObjectKey('log.leaves'),
  keys: parseObjectKey('keys.json'),
  report: parseObjectKey('report.html'),
  verifier: parseObjectKey('verify.html'),
  readme: parseObjectKey('README.txt'),
} as const

/** Where the proof of a leaf lies. @param leaf - its hash in hex. */
export function proofName(leaf: string): ObjectKey {
  return parseObjectKey(`proofs/${leaf}.tlog-proof`)
}

/** The public keys that everything in the folder is verified with; they are those of the agreement, repeated for other programs. */
export function evidenceKeys({ body, digest }: SignedAgreement): Uint8Array {
  const parties = body.parties.map(({ party, role, keys }) => ({ party, role, keys: keys.map((key) => ({ ...key, keyid: keyidOf(key) })) }))
  return Buffer.from(`${JSON.stringify({ agreement: digest, origin: body.origin, log: body.log, parties }, undefined, 2)}\n`)
}

/** How to use the folder without asking anybody. */
export function evidenceReadme({ body, digest }: SignedAgreement): Uint8Array {
  return Buffer.from(`EVIDENCE FOR AGREEMENT ${body.agreement}

Everything here proves itself with the keys of the agreement alone. So first compare its digest with your own copy:

    ${digest}

report.html             what happened, for people; open it in a browser, print it. It proves nothing by itself
verify.html             checks a receipt in your browser, without network: choose your agreement.json and a receipt.json
agreements/             the agreement, its acceptances, and for each deposit its manifest and receipt, all signed
attestations/           for each source every due time since the beginning and what happened to it, signed
events/, proofs/        every event of this agreement, and for each the proof that it is in the log (c2sp.org/tlog-proof)
checkpoint, log.leaves  the log's checkpoint with its cosignatures, and every leaf under it (64 bytes each: tag, digest)
keys.json               the public keys of the parties, the log and its witnesses, as the agreement has them
SHA256SUMS              the digest of every file;  sha256sum -c SHA256SUMS  finds what was damaged on the way
evidence.json           the service's signature under that list

To verify all of it:    escrow verify THIS-FOLDER --agreement YOUR-OWN-agreement.json
To make a report anew from what was verified:           --report NEW-report.html
With your annex and keys it also checks that the leaves are those of these sources:  --annex annex.age --as YOUR-KEYS
Formats: docs/formats/evidence.md of the project, and those named in each document's "type".
`)
}
