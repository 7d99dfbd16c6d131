import { SystemEntropy } from '../../src/core/environment.js'
import { newId } from '../../src/format/ids.js'
import type { StatementOf, StatementType } from '../../src/format/statement.js'

type NameOf<T extends StatementType> = T extends `escrow/statement/${infer Name}/v1` ? Name : never
type FirstFields = 'type' | 'origin' | 'agreement' | 'epoch' | 'party' | 'nonce' | 'issuedAt' | 'expiresAt'

/** The name of a kind of statement, without what stands around it in its type. */
export type StatementName = NameOf<StatementType>

/** What a statement says beside the fields that all of them have. */
export type Matter<Name extends StatementName> = Omit<StatementOf<Name>, FirstFields>

/** A request of the partner for the product, because its depositor is insolvent. @param recipient - of the partner */
export function insolvency(recipient: string, change: Partial<Matter<'release-request'>> = {}): Matter<'release-request'> {
  return {
    request: newId('req', new SystemEntropy()),
    condition: 'insolvent',
    beneficiaries: [{ party: 'partner', recipient }],
    deposits: [{ source: 'product', sequence: null }],
    order: null,
    grounds: 'The depositor is bankrupt.',
    evidence: [],
    ...change,
  }
}
