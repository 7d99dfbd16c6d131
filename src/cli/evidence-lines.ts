import type { VerifiedEvidence } from '../evidence/verify-evidence.js'
import { linesOfPeriods } from './attested-lines.js'
import { columns } from './command.js'
import { formatCount } from './terminal.js'

const problemsShownMax = 200

/** What evidence came to, for a terminal. */
export function linesOfEvidence({ documents, checkpoint, events, attestations, problems }: VerifiedEvidence): readonly string[] {
  const deposits = documents.sources.flatMap(({ history }) => history.published)
  const receipts = deposits.filter(({ receipt }) => receipt !== null).length
  const { digest, body } = documents.trusted.newest
  const { witnessQuorum } = body.log
  const witnesses = checkpoint.cosignatures.length
  return [
    ...columns([
      ['agreement', documents.trusted.pinned ? `${digest}, as pinned` : `${digest}; NOT PINNED: compare it, or give --agreement`],
      ['deposits', `${formatCount(deposits.length)}, ${formatCount(receipts)} with a receipt that holds`],
      ['events', `${formatCount(events.length)}, each a leaf of the ${formatCount(checkpoint.size)} of ${checkpoint.origin}`],
      ['witnessed', `${witnesses} of ${witnessQuorum} demanded${witnesses < witnessQuorum ? '; DEGRADED' : ''}`],
    ]),
    ...attestations.flatMap(({ attestation, periods, tagChecked }) => [
      `${attestation.source}, ${attestation.from} to ${attestation.to}${tagChecked ? '' : " (tag taken at the agent's word)"}`,
      ...linesOfPeriods(periods),
    ]),
    problems.length === 0 ? 'everything holds, and nothing was left out' : `${formatCount(problems.length)} things do not hold:`,
    ...problems.slice(0, problemsShownMax).map(({ error, where }) => `  ${error.code}  ${where}: ${error.message}`),
  ]
}

/** The same for programs. */
export function factsOfEvidence(evidence: VerifiedEvidence) {
  const { documents, checkpoint, events, statements, attestations, problems } = evidence
  const deposits = documents.sources.flatMap(({ history }) => history.published)
  return {
    agreement: { id: documents.trusted.newest.body.agreement, digest: documents.trusted.newest.digest, pinned: documents.trusted.pinned },
    log: {
      origin: checkpoint.origin,
      size: checkpoint.size,
      cosignatures: checkpoint.cosignatures.length,
      witnessQuorum: documents.trusted.newest.body.log.witnessQuorum,
    },
    deposits: deposits.length,
    receipts: deposits.filter(({ receipt }) => receipt !== null).length,
    events: events.length,
    statements: statements.size,
    accounts: attestations.map(({ attestation: { source, from, to }, periods, tagChecked }) => ({ source, from, to, tagChecked, periods })),
    problems: problems.map(({ error, where }) => ({ code: error.code, where, message: error.message })),
  }
}
