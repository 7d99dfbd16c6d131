// What the numbers were measured on.
import { cpus, loadavg, totalmem, release, type } from 'node:os'
import { measure } from './measure.js'

/** A machine in the words that a reader of the table needs. */
export type Machine = Readonly<Record<'processor' | 'memory' | 'system' | 'programs' | 'load before', string>>

/** This machine. */
export async function describeMachine(): Promise<Machine> {
  const [first] = cpus()
  const git = (await measure(['git', 'version'])).stdout.trim()
  return {
    processor: `${cpus().length} × ${first?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${type()} ${release()}`,
    programs: `Node ${process.versions.node}, ${git}`,
    'load before': loadavg()
      .map((load) => load.toFixed(1))
      .join(' '),
  }
}
