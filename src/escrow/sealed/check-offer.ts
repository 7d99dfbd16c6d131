// Pure: whether a sealed deposit may follow what is here. The bundle inside cannot be looked at; that its chain can be restored is the
// depositor's word, and the signature on it.
import { EscrowError } from '../../core/errors.js'
import { statementClockSkewMs } from '../../core/limits.js'
import type { PreviousDeposit } from '../../deposit/deposit-request.js'
import { fullDue } from '../../deposit/full-due.js'
import type { VaultEpochRow } from '../archive/agreement.table.js'
import type { Offer } from './read-offer.js'
import type { SourceRow } from '../archive/source.table.js'

/** What an offer must fit. */
export interface OfferContext {
  readonly previous: Pick<PreviousDeposit, 'manifest' | 'manifestDigest'> | null
  readonly epoch: Pick<VaultEpochRow, 'epoch' | 'recipient'>
  readonly source: Pick<SourceRow, 'mode' | 'source' | 'fullAt' | 'chainLength' | 'fullEveryDays' | 'chainLengthMax'>
  readonly now: Date
  /** Whether the agent's own key opens these bytes. */
  readonly opensHere: (envelope: Uint8Array) => boolean
}

/**
 * Refuse a deposit that does not belong here and now.
 *
 * @throws EscrowError `DEPOSIT_STATE` when it does not follow the newest deposit, or a full one is due; `RECIPIENT_INVALID` when it is sealed to
 *   anybody but the current vault, or its inventory to us
 */
export function checkOffer(offer: Offer, context: OfferContext): void {
  const { manifest } = offer
  const { epoch, source, now } = context
  if (source.mode !== 'sealed') throw refused(`source ${source.source} to be of mode sealed`, source.mode)
  checkFollows(offer, context.previous)
  if (manifest.envelope.epoch !== epoch.epoch || manifest.envelope.recipient !== epoch.recipient) {
    throw new EscrowError(
      'RECIPIENT_INVALID',
      `expected an envelope to epoch ${epoch.epoch}, ${epoch.recipient}, got epoch ${manifest.envelope.epoch}`,
    )
  }
  if (context.opensHere(offer.inventory.bytes)) {
    throw new EscrowError('RECIPIENT_INVALID', 'expected an inventory that the agent cannot open, got one that is sealed to us too')
  }
  const takenAt = Date.parse(manifest.takenAt)
  if (takenAt > now.getTime() + statementClockSkewMs) throw refused('a deposit that was taken in the past', manifest.takenAt)
  // The lock of a chain is as long as its full deposit asks; what comes later would outlive it.
  const due = manifest.kind === 'full' ? null : fullDue(source, now)
  if (due !== null) throw refused(`a full deposit, because one is due (${due})`, 'an incremental')
}

function checkFollows({ manifest }: Offer, previous: OfferContext['previous']): void {
  const expected = previous === null ? null : previous.manifestDigest
  if (manifest.previous !== expected || manifest.sequence !== (previous?.manifest.sequence ?? 0) + 1) {
    const newest =
      previous === null ? 'nothing' : `deposit ${previous.manifest.sequence}, manifest ${expected}; give its accepted.json with --receipt`
    throw refused(`a deposit that follows ${newest}`, `deposit ${manifest.sequence} after ${manifest.previous ?? 'nothing'}`)
  }
  if (previous === null || manifest.kind === 'full') return
  const { base, objectFormat, envelope } = previous.manifest
  const same = manifest.base === base && manifest.objectFormat === objectFormat && manifest.envelope.recipient === envelope.recipient
  if (!same || manifest.envelope.epoch !== envelope.epoch)
    throw refused(`an incremental on base ${base} in ${objectFormat}`, `base ${manifest.base}`)
}

function refused(expected: string, got: string): EscrowError {
  return new EscrowError('DEPOSIT_STATE', `expected ${expected}, got ${got}`)
}
