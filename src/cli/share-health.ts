import { EscrowError } from '../core/errors.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import { decodeBase64 } from '../crypto/base64.js'
import { checkVault, verifyShareHealth } from '../crypto/vault-commitments.js'
import { checkStatement, shareHealthText } from '../format/check-statement.js'
import { epochOf, partyOf, type SignedAgreement } from '../format/signed-agreement.js'
import { openDocument } from '../format/signed-document.js'
import { ShareHealth, type StatementOf } from '../format/statement.js'
import { columns, type CommandResult } from './command.js'
import { readNamedFile } from './files.js'

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
  const { vault } = agreement.body
  const epoch = epochOf(agreement.body, body.epoch)
  const holder = vault.custodians.find((custodian) => custodian.index === body.index)?.party
  const signature = decodeBase64(body.proof)
  const { proof: _proof, ...unproved } = body
  const valid =
    holder === body.party &&
    body.recipient === epoch.recipient &&
    signature !== null &&
    verifyShareHealth(checkVault(epoch, vault.threshold), { index: body.index, message: shareHealthText(unproved), signature })
  if (!valid) throw new EscrowError('SHARE_INVALID', `${path}: expected a proof made with share ${body.index} of epoch ${body.epoch}`)
  return body
}
