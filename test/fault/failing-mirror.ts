// The walk in this process: the ports fail as planned below a real `escrow mirror`.
import { expect } from 'vitest'
import { FailingDatabase, FailingHeads, FailingStore, FailingWrites, type WriteFault } from '../doubles/failing-writes.js'
import { aroundReplicas, databasesInMemory, interpose } from '../doubles/interpose.js'
import { MirrorWalk } from './mirror-walk.js'

/** A walk whose writes fail as planned. Remove it afterwards. */
export class FailingMirror {
  private readonly writes = new FailingWrites()

  private constructor(
    readonly walk: MirrorWalk,
    private readonly undo: (() => unknown)[],
  ) {}

  static async make(): Promise<FailingMirror> {
    const restoreFolders = databasesInMemory()
    const walk = await MirrorWalk.make()
    const made = new FailingMirror(walk, [restoreFolders, () => walk.remove()])
    made.undo.push(made.failWrites())
    return made
  }

  async remove(): Promise<void> {
    for (const step of this.undo.toReversed()) await step()
  }

  /** Let each write of a run fail in one way. @returns how many writes a run has. */
  async failEach(fault: WriteFault): Promise<number> {
    for (let at = 1; ; at += 1) if (!(await this.failAt(at, fault))) return at - 1
  }

  private async failAt(at: number, fault: WriteFault): Promise<boolean> {
    const failed = await this.walk.failOnce({ name: fault, at }, async () => {
      this.writes.plan(at, fault)
      const ended = await this.walk.home.run('mirror')
      const { struck } = this.writes
      this.writes.revive()
      return { ...ended, struck }
    })
    expect([0, 5], failed.text).toContain(failed.exitCode)
    if (failed.exitCode === 5) expect(failed.text).toMatch(/\[(?:STORE_UNREACHABLE|DATABASE_UNAVAILABLE)\]/)
    return failed.struck
  }

  private failWrites(): () => void {
    return interpose((adapters) => ({
      ...adapters,
      database: new FailingDatabase(adapters.database, this.writes),
      replicas: aroundReplicas(adapters, ({ store, heads }) => ({
        store: new FailingStore(store, this.writes),
        heads: new FailingHeads(heads, this.writes),
      })),
    }))
  }
}
