import { SystemClock } from '../../../core/environment.js'
import { EscrowError } from '../../../core/errors.js'
import { signedDocumentBytesMax } from '../../../core/limits.js'
import { FindingCode, Manifest } from '../../../format/manifest.js'
import { keysOf, openAgreement, requireSignatures } from '../../../format/signed-agreement.js'
import { openDocument, signDocument } from '../../../format/signed-document.js'
import { FindingExplanation } from '../../../format/statement.js'
import { columns, type CommandContext, type CommandResult } from '../../command.js'
import { readNamedFile, writeNamedFile } from '../../files.js'
import { openPartyFolder } from '../../party/party-folder.js'
import { firstFieldsOf } from '../../party/statement-fields.js'

interface ExplainOptions {
  readonly as: string
  readonly agreement: string
  readonly explanation: string
  readonly out: string
  readonly code?: readonly string[]
}

/** Days that the operator may take to record it. */
const explanationDays = 90

/**
 * Sign an explanation of findings of one deposit.
 *
 * @throws EscrowError `ARGUMENT_INVALID` when there is nothing to explain; `SIGNATURE_INVALID`, `AGREEMENT_DIGEST`
 */
export async function explain(_context: CommandContext, options: ExplainOptions, path: string): Promise<CommandResult> {
  const party = await openPartyFolder(options.as)
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  requireSignatures(agreement, { agent: true })
  const keys = keysOf(agreement.body, 'agent')
  const { body: manifest, digest } = openDocument(await readNamedFile(path, signedDocumentBytesMax), {
    schema: Manifest,
    keys,
    what: 'manifest',
  })
  if (manifest.agreement !== agreement.digest) {
    throw new EscrowError(
      'AGREEMENT_DIGEST',
      `expected a manifest under agreement ${agreement.digest}, got one under ${manifest.agreement}`,
    )
  }
  const codes = codesOf(manifest, options.code)
  const { source, sequence } = manifest
  const fields = firstFieldsOf(agreement, { party, epoch: manifest.envelope.epoch, now: new SystemClock().now(), days: explanationDays })
  const matter = { source, sequence, manifest: digest, codes: [...codes], explanation: options.explanation }
  const body = { type: 'escrow/statement/finding-explanation/v1' as const, ...fields, ...matter }
  await writeNamedFile(options.out, signDocument({ body, schema: FindingExplanation, key: party.signingKey }))
  const lines = columns([
    ['explained', `${codes.join(', ')} of deposit ${sequence} of ${source}`],
    ['written to', `${options.out}; send it to the operator (escrow record)`],
  ])
  return { json: { source, sequence, manifest: digest, codes, file: options.out }, lines }
}

function codesOf(manifest: Manifest, wanted: readonly string[] | undefined): readonly FindingCode[] {
  const found = manifest.findings.filter((finding) =>
    wanted === undefined ? finding.severity === 'blocking' : wanted.includes(finding.code),
  )
  const codes = [...new Set(found.map((finding) => finding.code))]
  const absent = wanted?.find((code) => !codes.some((one) => one === code))
  if (absent !== undefined) throw new EscrowError('ARGUMENT_INVALID', `deposit ${manifest.sequence} has no finding ${absent}`)
  if (codes.length > 0) return codes
  throw new EscrowError('ARGUMENT_INVALID', `deposit ${manifest.sequence} of ${manifest.source} has no blocking finding to explain`)
}
