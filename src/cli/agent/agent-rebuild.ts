import { rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '../../../config/load.js'
import type { Config } from '../../../config/schema.js'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { HomeLock } from '../../db/home-lock.js'
import { PublishLog } from '../../escrow/deposit/publish-log.js'
import { RebuildReleases, type RebuiltReleases } from '../../release/rebuild/rebuild-releases.js'
import { RebuildIndex, type RebuildProgress, type RebuiltIndex } from '../../verify/rebuild-index.js'
import { withService } from './agent-context.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { fileFault } from '../files.js'
import { formatCount } from '../terminal.js'

/** Make the index anew from the replicas. @param options.replace - keep the index that is there aside and begin with an empty one. */
export async function rebuild(context: CommandContext, options: { readonly replace: boolean }): Promise<CommandResult> {
  const aside = options.replace ? await setAside(await loadConfig(context.home)) : null
  return withService(context, async (app) => {
    const onProgress = ({ phase, done, total }: RebuildProgress) =>
      context.progress({ phase: `rebuilding ${phase}`, done, unit: 'objects', ...(total === null ? {} : { total }) })
    let releases: RebuiltReleases | null = null
    const beforeHead = async () => {
      releases = await app.get(RebuildReleases).run(context.signal)
    }
    const rebuilt = await app.get(RebuildIndex).run({ onProgress, beforeHead }, context.signal)
    // Receipts that were not issued before the index was lost.
    const { receipts } = await app.get(PublishLog).run(context.signal)
    return present(rebuilt, { aside, receipts, releases })
  })
}

function present(
  { leaves, rows, absent, unlogged }: RebuiltIndex,
  also: { readonly aside: string | null; readonly receipts: number; readonly releases: RebuiltReleases | null },
): CommandResult {
  const lines = columns([
    ['rebuilt from', `a checkpoint of ${formatCount(leaves)} leaves`],
    ['agreements', `${formatCount(rows.agreements)} with ${formatCount(rows.sources)} sources`],
    ['deposits', formatCount(rows.deposits)],
    ...(unlogged === 0
      ? []
      : [['not logged yet', `${formatCount(unlogged)} deposits; the next deposit of each source publishes it first`] as [string, string]]),
    ['objects', `${formatCount(rows.objects)} in ${formatCount(rows.copies)} copies; all of them are due to be read again`],
    ['receipts', `${formatCount(also.receipts)} issued now`],
    ...(also.releases === null || also.releases.requests + also.releases.orders === 0
      ? []
      : [
          [
            'releases',
            `${formatCount(also.releases.requests)} requests, ${formatCount(also.releases.orders)} orders, ${formatCount(also.releases.statements)} statements, ${formatCount(also.releases.grants)} grants`,
          ] as [string, string],
        ]),
    ...(also.releases === null || also.releases.drills + also.releases.alarms + also.releases.shareProofs + also.releases.legalOrders === 0
      ? []
      : [
          [
            'custody',
            `${formatCount(also.releases.alarms)} alarms, ${formatCount(also.releases.drills)} drills, ${formatCount(also.releases.shareProofs)} proofs of shares, ${formatCount(also.releases.legalOrders)} orders against us`,
          ] as [string, string],
        ]),
    ...(also.aside === null ? [] : [['the old index', also.aside] as [string, string]]),
    ...absent.slice(0, 20).map(({ key, replica }): [string, string] => ['absent', `${replica}  ${key}`]),
    [
      'next',
      `${absent.length === 0 ? '' : '`escrow repair`, then '}\`escrow check\`; credentials of sources are set again by the operator`,
    ],
  ])
  return {
    json: { leaves, rows, absent, unlogged, releases: also.releases, receipts: also.receipts, aside: also.aside },
    lines,
    exitCode: absent.length === 0 ? 0 : 3,
  }
}

/** @returns where the old index lies now; null when there was none. */
async function setAside({ database }: Config): Promise<string | null> {
  if (database.kind !== 'pglite')
    throw new EscrowError('DATABASE_NOT_EMPTY', 'expected an empty PostgreSQL database: this command drops nothing there; make a new one')
  const { folder } = database
  const there = await stat(folder).then(
    () => true,
    () => false,
  )
  if (!there) return null
  const aside = `${folder}.before-${new SystemClock().now().toISOString().replaceAll(/[:.]/g, '-')}`
  const lock = await HomeLock.take(join(dirname(folder), 'db.lock'))
  try {
    await rename(folder, aside)
    return aside
  } catch (error) {
    throw fileFault(folder, error)
  } finally {
    await lock.release()
  }
}
