import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { listAlarms } from '../release/custody.table.js'
import { withService } from './agent-context.js'
import { columns, type CommandContext, type CommandResult } from './command.js'

/** List what is wrong with the custody of agreements now, as the log told their parties. Exit 3 when something is. */
export async function listCustodyAlarms(context: CommandContext): Promise<CommandResult> {
  return withService(context, async (app) => {
    const alarms = await app.get<Database>(Database).query((db) => listAlarms(db, null, rowsMax))
    const lines = columns(alarms.map((row) => [`ALARM ${row.agreementId}`, `${row.alarm} ${row.about}, since ${row.since.toISOString()}`]))
    return {
      json: { alarms: alarms.map(({ agreementId, ...alarm }) => ({ agreement: agreementId, ...alarm })) },
      lines: alarms.length === 0 ? ['nothing is wrong with the custody of any agreement; the last tick looked'] : lines,
      exitCode: alarms.length > 0 ? 3 : 0,
    }
  })
}
