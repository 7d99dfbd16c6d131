import { EscrowError } from '../../core/errors.js'
import { checkStatement } from '../../format/check-statement.js'
import { epochOf, partyOf, type SignedAgreement } from '../../format/signed-agreement.js'
import { openDocument, type OpenedDocument } from '../../format/signed-document.js'
import { ShareAccept, type StatementOf } from '../../format/statement.js'

/** A custodian's verified word that its share opens an epoch, with the bytes as they came. */
export type Acceptance = OpenedDocument<StatementOf<'share-accept'>> & { readonly bytes: Uint8Array }

/**
 * Verify an acceptance under one version of an agreement.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `SIGNATURE_INVALID`, `STATEMENT_INVALID`, `STATEMENT_EXPIRED`; `SHARE_INVALID` when it names another index or recipient
 */
export function verifyAcceptance({ body, digest }: SignedAgreement, bytes: Uint8Array, now: Date): Acceptance {
  const keys = (statement: StatementOf<'share-accept'>) => partyOf(body, statement.party).keys
  const opened = openDocument(bytes, { schema: ShareAccept, keys, what: 'share acceptance' })
  checkStatement(opened.body, { agreement: digest, origin: body.origin, now })
  const holder = body.vault.custodians.find((custodian) => custodian.index === opened.body.index)
  if (holder?.party !== opened.body.party || epochOf(body, opened.body.epoch).recipient !== opened.body.recipient) {
    throw new EscrowError('SHARE_INVALID', `expected ${opened.body.party} to accept its own share of this vault`)
  }
  return { ...opened, bytes }
}

/** The name of an acceptance's file beside its version. */
export function acceptanceName({ body }: Acceptance): string {
  return `share-accept-${body.index}-epoch-${body.epoch}.json`
}
