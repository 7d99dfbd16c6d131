// What parties and the agent know beside the agreement. The agreement names only digests of it, so that a reader of the bucket learns
// neither URLs nor the secret of the log's tags.
import { EscrowError } from '../core/errors.js'
import { sha256Hex } from '../crypto/digest.js'
import { AgreementAnnex, type Agreement } from './agreement.js'
import { parseCanonical } from './canonical-json.js'
import { parseBody } from './parse-body.js'
import { documentBytesMax } from '../core/limits.js'

/** One remote in an annex. */
export type AnnexRemote = AgreementAnnex['remotes'][number]

/** What the agreement says of a remote: SHA-256 over `<salt>\n<url>`; null where nothing is pulled. */
export function remoteDigest(remote: AnnexRemote | undefined): string | null {
  return remote === undefined ? null : sha256Hex(Buffer.from(`${remote.salt}\n${remote.url}`))
}

/**
 * Read an opened annex and compare it with its agreement.
 *
 * @param bytes - the plaintext of the annex; its author may be anybody until the digests agree.
 * @throws EscrowError `FORMAT_INVALID`; `AGREEMENT_DIGEST` when it is not the annex that the parties signed for
 */
export function parseAnnex(bytes: Uint8Array, agreement: Agreement): AgreementAnnex {
  const annex = parseBody(parseCanonical(bytes, documentBytesMax), AgreementAnnex, 'annex')
  const fits =
    annex.agreement === agreement.agreement &&
    annex.version === agreement.version &&
    sha256Hex(Buffer.from(annex.tagSecret, 'hex')) === agreement.tagSecretDigest &&
    agreement.sources.every(
      (source) => source.remoteDigest === remoteDigest(annex.remotes.find((remote) => remote.source === source.source)),
    )
  if (!fits) throw new EscrowError('AGREEMENT_DIGEST', 'expected the annex that the agreement names, got another one')
  return annex
}
