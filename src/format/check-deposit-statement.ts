// What a depositor says it sent against what there is. Pure.
import { EscrowError } from '../core/errors.js'
import { statementClockSkewMs, statedAgeMaxMs } from '../core/limits.js'
import { checkStatement } from './check-statement.js'
import { keysOf, type SignedAgreement } from './signed-agreement.js'
import { openDocument, type OpenedDocument } from './signed-document.js'
import { DepositStatement, type StatementOf } from './statement.js'

/** What a deposit statement speaks of, as it arrived. */
export interface Arrived {
  readonly objectFormat: string
  readonly refsDigest: string
  readonly refCount: number
  readonly packChecksum: string
}

/**
 * What a statement says that is not so.
 *
 * @returns one phrase for each difference, without a name; empty when what arrived is what was said. A null pack checksum says nothing of a pack.
 */
export function differencesFrom(
  said: Pick<StatementOf<'deposit-statement'>, 'objectFormat' | 'refsDigest' | 'refCount' | 'packChecksum'>,
  arrived: Arrived,
): readonly string[] {
  const differ = (what: string, one: string | number, other: string | number) =>
    one === other ? [] : [`${what}: said ${one}, got ${other}`]
  return [
    ...differ('object format', said.objectFormat, arrived.objectFormat),
    ...differ('number of refs', said.refCount, arrived.refCount),
    ...differ('digest of refs and HEAD', said.refsDigest, arrived.refsDigest),
    ...(said.packChecksum === null ? [] : differ('pack', said.packChecksum, arrived.packChecksum)),
  ]
}

/**
 * Open what a depositor says of a source now.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `SIGNATURE_INVALID`, `FORMAT_INVALID`, `STATEMENT_INVALID` also for another source; `STATEMENT_EXPIRED` also when it is older
 *   than `statedAgeMaxMs`: said again later, it would make a source look fresh at which nobody looked
 */
export function openDepositStatement(
  bytes: Uint8Array,
  on: { readonly agreement: SignedAgreement; readonly source: string | null; readonly now: Date },
): OpenedDocument<StatementOf<'deposit-statement'>> {
  const { body, digest } = on.agreement
  const opened = openDocument(bytes, { schema: DepositStatement, keys: keysOf(body, 'depositor'), what: 'deposit statement' })
  checkStatement(opened.body, { agreement: digest, origin: body.origin, now: on.now })
  const { source, takenAt } = opened.body
  if (on.source !== null && source !== on.source) {
    throw new EscrowError('STATEMENT_INVALID', `deposit statement: expected one about ${on.source}, got one about ${source}`)
  }
  const ageMs = on.now.getTime() - Date.parse(takenAt)
  if (ageMs < -statementClockSkewMs)
    throw new EscrowError('STATEMENT_INVALID', `deposit statement: expected a look in the past, got ${takenAt}`)
  if (ageMs > statedAgeMaxMs) {
    throw new EscrowError(
      'STATEMENT_EXPIRED',
      `deposit statement: expected a look of the last ${statedAgeMaxMs / 3_600_000} hours, got ${takenAt}`,
    )
  }
  return opened
}
