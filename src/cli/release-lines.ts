// The release part of an agreement in words: what parties read before they sign, and whenever they look.
import { isEscrowError } from '../core/errors.js'
import type { Agreement } from '../format/agreement.js'
import { judgeAgreement } from '../release/amendment/judge-agreement.js'
import { parseReleasePolicy, termsOf, type ReleasePolicy } from '../release/rules/release-policy.js'
import { columns } from './command.js'

/**
 * Conditions, licence, title and every warning.
 *
 * @returns the warnings alone where there is no release part.
 * @throws EscrowError `AGREEMENT_INVALID` when it is malformed, or nobody could satisfy it
 */
export function linesOfRelease(agreement: Agreement): { readonly lines: readonly string[]; readonly warnings: readonly string[] } {
  const warnings = judgeAgreement(agreement)
  const told = columns(warnings.map((warning): [string, string] => ['WARNING', warning]))
  if (Object.keys(agreement.release).length === 0) return { lines: told, warnings }
  const policy = parseReleasePolicy(agreement.release)
  const rows = policy.conditions.flatMap(({ condition }): readonly (readonly [string, string])[] => conditionRows(policy, condition))
  return { lines: [...columns([...rows, ...rightsRows(policy)]), ...told], warnings }
}

/** The same for whoever only looks: what is wrong with the part is shown instead of refused. */
export function shownRelease(agreement: Agreement): readonly string[] {
  try {
    return linesOfRelease(agreement).lines
  } catch (error) {
    if (!isEscrowError(error, 'AGREEMENT_INVALID')) throw error
    return columns([['WARNING', error.message]])
  }
}

function conditionRows(policy: ReleasePolicy, name: string): readonly (readonly [string, string])[] {
  const { kind, evidence, cureDays, approvalGroups, clocks } = termsOf(policy, name)
  const automatic = policy.conditions.find(({ condition }) => condition === name)?.automatic === true
  const groups = approvalGroups.map((group) => `${group.name} ${group.k} of ${group.parties.length} (${group.rule})`)
  const objection = `${clocks.objectionBusinessDays} business days to object${cureDays > 0 ? `, ${cureDays} days to cure` : ''}`
  return [
    [`condition ${name}`, `${kind}${automatic ? ', proposed by itself' : ''}; evidence: ${evidence.join(', ') || 'none'}; ${objection}`],
    [
      '',
      `approval within ${clocks.approvalHours} h: custodians${groups.length > 0 ? `, ${groups.join(', ')}` : ''}; cooling-off ${clocks.coolingOffHours} h`,
    ],
  ]
}

function rightsRows({ licence, title }: ReleasePolicy): readonly (readonly [string, string])[] {
  const { scope, territory, sublicensable, returnOrDestroyDays } = licence
  const kept = returnOrDestroyDays === null ? 'copies may be kept' : `copies returned or destroyed after ${returnOrDestroyDays} days`
  const where = territory.length === 0 ? 'everywhere' : territory.join(', ')
  return [
    ['licence', scope],
    ['', `${where}; ${sublicensable ? 'may' : 'may not'} be sublicensed; ${kept}`],
    ['title', title.basis === 'custody' ? 'custody: the agent keeps the deposit and does not own it' : 'fiduciary ownership of the agent'],
  ]
}
