import { Inject, Injectable } from '@nestjs/common'
import { encodeBase64 } from '../crypto/base64.js'
import { sha256Hex } from '../crypto/digest.js'
import { AgentKeys } from '../escrow/agent-keys.js'
import { AgreementShelf, type KnownAgreement } from '../escrow/archive/agreement-shelf.js'
import { EscrowOptions } from '../escrow/escrow-options.js'
import { evidenceKeys, evidenceNames, evidenceReadme } from '../evidence/evidence-files.js'
import { renderReport, reportEdition } from '../evidence/render-report.js'
import { readVerifierPage } from '../evidence/verifier-page.js'
import { verifyEvidence, type VerifiedEvidence } from '../evidence/verify-evidence.js'
import { EvidenceIndex, formatSums } from '../format/evidence.js'
import { signDocument } from '../format/signed-document.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import type { EvidenceFolder } from './evidence-folder.js'

/** A folder that was collected. */
export interface UnsealedEvidence {
  readonly agreementId: string
  /** As the folder was collected with. */
  readonly collectedAt: Date
  readonly folder: EvidenceFolder
  /** Reads what lies in the folder. */
  readonly reader: ArchiveReader
}

/** Finishes a folder of evidence: verifies it as anybody would, writes the report of what was verified, and signs the list of its files. */
@Injectable()
export class SealEvidence {
  constructor(
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
  ) {}

  /**
   * Finish a folder. If we stop before the end, it has no `evidence.json` and passes for nothing.
   *
   * @returns what was verified, with everything that does not hold: that is reported, not hidden.
   * @throws EscrowError `STORE_*`; as `verifyEvidence`
   */
  async run({ agreementId, collectedAt, folder, reader }: UnsealedEvidence, signal: AbortSignal): Promise<VerifiedEvidence> {
    const known = await this.shelf.get(agreementId)
    const { signed, annex } = known
    const tagSecret = () => Promise.resolve(Buffer.from(annex.tagSecret, 'hex'))
    const verified = await verifyEvidence(reader, signed.body.agreement, { pinned: signed, tagSecret, collectedAt }, signal)
    const madeBy = `reduit ${this.options.version}`
    await folder.write(evidenceNames.report, Buffer.from(renderReport(verified, { collectedAt, madeBy })))
    await folder.write(evidenceNames.verifier, await readVerifierPage())
    await folder.write(evidenceNames.keys, evidenceKeys(signed))
    await folder.write(evidenceNames.readme, evidenceReadme(signed))
    const sums = Buffer.from(formatSums(folder.digests))
    const body = this.indexOf(known, verified, { collectedAt, sums, files: folder.files, madeBy })
    await folder.write(evidenceNames.sums, sums)
    await folder.write(evidenceNames.index, signDocument({ body, schema: EvidenceIndex, key: this.keys.signingKey }))
    return verified
  }

  private indexOf(
    { signed }: KnownAgreement,
    { checkpoint }: VerifiedEvidence,
    of: { readonly collectedAt: Date; readonly sums: Uint8Array; readonly files: number; readonly madeBy: string },
  ): EvidenceIndex {
    const { origin, size, root } = checkpoint
    return {
      type: 'escrow/evidence/v1',
      origin: signed.body.origin,
      agreementId: signed.body.agreement,
      agreement: signed.digest,
      collectedAt: of.collectedAt.toISOString(),
      log: { origin, size, root: encodeBase64(root) },
      files: of.files,
      sums: sha256Hex(of.sums),
      madeBy: of.madeBy,
      reportEdition,
    }
  }
}
