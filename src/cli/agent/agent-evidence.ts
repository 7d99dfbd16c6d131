import { Clock, SystemEntropy } from '../../core/environment.js'
import { RecordMissed } from '../../escrow/source/record-missed.js'
import { FsArchiveTarget } from '../../store/fs-archive-target.js'
import { CollectEvidence } from '../../verify/collect-evidence.js'
import { EvidenceFolder } from '../../verify/evidence-folder.js'
import { SealEvidence } from '../../verify/seal-evidence.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import type { CommandContext, CommandResult } from '../command.js'
import { factsOfEvidence, linesOfEvidence } from '../evidence-lines.js'
import { freshFolder } from '../files.js'
import { openArchive } from '../open-archive.js'
import { formatCount } from '../terminal.js'

/**
 * Collect all that proves an agreement into a new folder, with a report for people.
 *
 * @returns exit code 3 when something in it does not hold: the report says what.
 * @throws EscrowError `FOLDER_NOT_EMPTY`, `NOT_FOUND`; `OBJECT_*`, `STORE_*` when no replica gives a document
 */
export async function evidence(
  context: CommandContext,
  options: { readonly agreement: string; readonly out: string },
): Promise<CommandResult> {
  const { signal, progress } = context
  await freshFolder(options.out)
  return withService(context, async (app) => {
    await app.get(RecordMissed).run(signal)
    await publishLog(app, signal)
    const target = new FsArchiveTarget(options.out, new SystemEntropy())
    const folder = new EvidenceFolder(target, (done) => progress({ phase: 'collecting', done, unit: 'files' }))
    const order = { agreementId: options.agreement, collectedAt: app.get(Clock).now(), folder }
    await app.get(CollectEvidence).run(order, signal)
    const verified = await app.get(SealEvidence).run({ ...order, reader: openArchive(options.out) }, signal)
    const lines = [
      `the evidence is in ${options.out}, ${formatCount(folder.files)} files: read report.html, verify with \`escrow verify\``,
      ...linesOfEvidence(verified),
    ]
    const json = { out: options.out, files: folder.files, ...factsOfEvidence(verified) }
    return { json, lines, exitCode: verified.problems.length === 0 ? 0 : 3 }
  })
}
