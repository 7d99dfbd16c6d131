import { EscrowError, isEscrowError } from '../../core/errors.js'
import { signedDocumentBytesMax } from '../../core/limits.js'
import { checkStatement } from '../../format/check-statement.js'
import { partyOf, type SignedAgreement } from '../../format/signed-agreement.js'
import { openDocument } from '../../format/signed-document.js'
import { ShareHealth, type StatementOf } from '../../format/statement.js'
import { verifyShareProof } from '../../format/verify-share-proof.js'
import { columns, type CommandResult } from '../command.js'
import { readNamedFile } from '../files.js'

/**
 * Verify custodians' proofs that their shares still exist and count them for each epoch.
 *
 * @returns exit code 3 when an epoch has fewer than t + 1 proved shares: one more loss and it may never open.
 * @throws EscrowError `SHARE_INVALID`, `SIGNATURE_INVALID`, `STATEMENT_*` naming the file
 */
export async function verifyHealth(agreement: SignedAgreement, files: readonly string[], now: Date): Promise<CommandResult> {
  const proved = new Map<number, Set<number>>(agreement.body.vault.epochs.map((epoch) => [epoch.epoch, new Set()]))
  for (const path of files) {
    const statement = await verifiedProof(agreement, path, now)
    proved.get(statement.epoch)?.add(statement.index)
  }
  const enough = agreement.body.vault.threshold + 1
  const rows = [...proved].map(([epoch, indices]) => ({
    epoch,
    proved: [...indices].sort((left, right) => left - right),
    enough: indices.size >= enough,
  }))
  const lines = columns(
    rows.map((row): [string, string] => [
      `epoch ${row.epoch}`,
      `${row.proved.length} of ${agreement.body.vault.custodians.length} shares proved${row.enough ? '' : `; ALARM: fewer than ${enough}`}`,
    ]),
  )
  return { json: { epochs: rows }, lines, exitCode: rows.every((row) => row.enough) ? 0 : 3 }
}

async function verifiedProof(agreement: SignedAgreement, path: string, now: Date): Promise<StatementOf<'share-health'>> {
  const bytes = await readNamedFile(path, signedDocumentBytesMax)
  const keys = (body: StatementOf<'share-health'>) => partyOf(agreement.body, body.party).keys
  const { body } = openDocument(bytes, { schema: ShareHealth, keys, what: path })
  checkStatement(body, { agreement: agreement.digest, origin: agreement.body.origin, now })
  try {
    verifyShareProof(body, agreement.body)
  } catch (error) {
    if (!isEscrowError(error, 'SHARE_INVALID')) throw error
    throw new EscrowError('SHARE_INVALID', `${path}: ${error.message}`, { cause: error })
  }
  return body
}
