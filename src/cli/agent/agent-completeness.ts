import { ReportCompleteness } from '../../escrow/deposit/report-completeness.js'
import type { Completeness } from '../../format/completeness.js'
import { withService } from './agent-context.js'
import type { CommandContext } from '../command.js'

/** How complete a deposit in the home folder is, as the operator may see it. @throws EscrowError as `withService` and `ReportCompleteness` */
export async function reportFromHome(
  context: CommandContext,
  wish: { readonly agreement: string; readonly source: string; readonly sequence: number | null },
): Promise<Completeness> {
  const key = { agreementId: wish.agreement, source: wish.source }
  return withService(context, (app) => app.get(ReportCompleteness).run(key, wish.sequence, context.signal))
}
