import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { INestApplicationContext } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { makeFolders } from '../../core/make-folders.js'
import { ListSources } from '../../escrow/source/list-sources.js'
import { RecordMissed } from '../../escrow/source/record-missed.js'
import { AttestSource, type AttestedSource } from '../../verify/attest-source.js'
import { withService } from './agent-context.js'
import { publishLog } from './agent-log.js'
import { linesOfPeriods } from '../attested-lines.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { fileFault, writeNamedFile } from '../files.js'
import { dayOrInstant } from '../option-forms.js'

interface AttestOptions {
  readonly source: string
  readonly from: string
  readonly to: string
  readonly agreement?: string
  readonly out: string
}

/** Write a signed account of a period of a source, and the list of leaves that proves it complete. Exit 3 when a due time was not met. */
export async function attest(context: CommandContext, options: AttestOptions): Promise<CommandResult> {
  const [from, to] = [momentOf(options.from, '--from'), momentOf(options.to, '--to')]
  return withService(context, async (app) => {
    await app.get(RecordMissed).run(context.signal)
    await publishLog(app, context.signal)
    const { agreementId, source } = await theSource(app, options)
    const attested = await app.get(AttestSource).run({ agreementId, source, from, to }, context.signal)
    const leavesPath = `${options.out}.leaves`
    await writeLeaves(app, attested, leavesPath, context.signal)
    await writeNamedFile(options.out, attested.bytes)
    return present(attested, { out: options.out, leaves: leavesPath })
  })
}

function present({ attestation, checkpoint }: AttestedSource, paths: { readonly out: string; readonly leaves: string }): CommandResult {
  const lines = [
    ...columns([
      ['source', `${attestation.source} of ${attestation.agreementId}`],
      ['period', `${attestation.from} to ${attestation.to}`],
      [
        'log',
        `${attestation.log.leaves.length} events under a checkpoint of ${checkpoint.size} leaves, ${checkpoint.cosignatures.length} cosignatures`,
      ],
      ['written to', `${paths.out}, and every leaf of the log to ${paths.leaves}`],
    ]),
    ...linesOfPeriods(attestation.periods),
  ]
  const unmet = attestation.periods.some(({ outcome }) => !['deposit', 'unchanged', 'open'].includes(outcome))
  return { json: { ...paths, size: checkpoint.size, periods: attestation.periods }, lines, exitCode: unmet ? 3 : 0 }
}

async function writeLeaves(app: INestApplicationContext, attested: AttestedSource, path: string, signal: AbortSignal): Promise<void> {
  const fresh = `${path}.writing`
  try {
    await makeFolders(dirname(path))
    await pipeline(Readable.from(app.get(AttestSource).leafList(attested.checkpoint, signal)), createWriteStream(fresh), { signal })
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error instanceof EscrowError ? error : fileFault(path, error)
  }
}

async function theSource(app: INestApplicationContext, options: AttestOptions) {
  const found = await app.get(ListSources).named({ agreement: options.agreement ?? null, source: options.source })
  const [first, second] = found
  if (first === undefined) throw new EscrowError('NOT_FOUND', `there is no source ${options.source}`)
  if (second !== undefined)
    throw new EscrowError('ARGUMENT_INVALID', `several agreements have a source ${options.source}: give --agreement`)
  return first
}

function momentOf(text: string, name: string): Date {
  const moment = dayOrInstant(text)
  if (moment !== null) return moment
  throw new EscrowError('ARGUMENT_INVALID', `expected ${name} as a day (2026-11-22) or a moment (2026-11-22T10:00:00.000Z)`)
}
