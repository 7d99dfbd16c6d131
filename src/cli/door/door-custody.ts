// What is wrong with the custody of agreements, as the service told their parties: the same alarms wherever they are shown.
import { join } from 'node:path'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { signedDocumentBytesMax } from '../../core/limits.js'
import { openAgreement } from '../../format/signed-agreement.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { exists, readNamedFile } from '../files.js'
import { proveShares, type ProofOptions } from '../holder/agreement/holder-vault.js'
import { withDoor } from './open-door.js'
import { rowsOfAlarms } from './outcome-lines.js'
import { verifyHealth } from './share-health.js'

/** List what is wrong with the custody of agreements now. Exit 3 when something is. */
export async function listCustodyAlarms(context: CommandContext): Promise<CommandResult> {
  const alarms = await withDoor(context, async (door) => (await door.releases()).alarms)
  const none = ['nothing is wrong with the custody of any agreement; the last tick looked']
  return { json: { alarms }, lines: alarms.length === 0 ? none : columns(rowsOfAlarms(alarms)), exitCode: alarms.length > 0 ? 3 : 0 }
}

interface HealthOptions extends Partial<ProofOptions> {
  readonly agreement: string
}

/**
 * Prove that shares are still there (`--as`); or verify such proofs, and show what is wrong with the custody of the agreement where a service
 * is at hand to ask. Exit 3 when fewer than t + 1 shares of an epoch are proved by the files, or an alarm stands.
 *
 * @throws EscrowError `ARGUMENT_INVALID` for --as with --url; as `proveShares` and `verifyHealth`
 */
export async function vaultHealth(context: CommandContext, options: HealthOptions, ...files: string[]): Promise<CommandResult> {
  const agreement = openAgreement(await readNamedFile(options.agreement, signedDocumentBytesMax))
  if (options.as !== undefined) {
    if (context.service !== null)
      throw new EscrowError('ARGUMENT_INVALID', 'expected --url to be left out with --as: proofs are signed here')
    return proveShares(agreement, { ...options, as: options.as })
  }
  const served = context.service !== null || (await exists(join(context.home, 'escrow.yaml')))
  // Whoever has neither a service nor a file learns that nothing is proved.
  const proved = files.length > 0 || !served ? await verifyHealth(agreement, files, new SystemClock().now()) : null
  if (!served && proved !== null) return proved
  const all = await withDoor(context, async (door) => (await door.releases()).alarms)
  const alarms = all.filter((one) => one.agreement === agreement.body.agreement)
  const standing = alarms.length === 0 ? [['alarms', 'none; the last tick looked'] as const] : rowsOfAlarms(alarms)
  return {
    json: { ...(proved?.json as object | undefined), alarms },
    lines: [...(proved?.lines ?? []), ...columns(standing)],
    exitCode: alarms.length > 0 || (proved !== null && proved.exitCode !== 0) ? 3 : 0,
  }
}
