import type { Agreement, DepositMode } from '../format/agreement.js'

/**
 * Who may open an inventory: the vault, the parties that may see names, and in pull and push mode the agent, who needs the refs for the next
 * incremental. In sealed mode the agent never sees a name.
 *
 * @param to.vault - recipient of the epoch.
 * @returns each recipient once.
 */
export function inventoryRecipients(
  agreement: Pick<Agreement, 'parties'>,
  to: { readonly vault: string; readonly mode: DepositMode },
): readonly string[] {
  const roles = ['depositor', 'beneficiary', 'supervisor', ...(to.mode === 'sealed' ? [] : ['agent'])]
  const named = agreement.parties.filter((party) => roles.includes(party.role))
  return [...new Set([to.vault, ...named.flatMap((party) => (party.recipient === null ? [] : [party.recipient]))])]
}
