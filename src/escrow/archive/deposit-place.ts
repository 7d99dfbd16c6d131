import { AgreementId } from '../../format/ids.js'
import type { DepositPlace } from '../../store/object-key.js'
import type { DepositRow } from './deposit.table.js'

/** Where the objects of a deposit lie. */
export function placeOf(row: Pick<DepositRow, 'agreementId' | 'source' | 'sequence' | 'kind'>): DepositPlace {
  return { agreement: AgreementId.parse(row.agreementId), source: row.source, sequence: row.sequence, kind: row.kind }
}
