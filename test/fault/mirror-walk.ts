// One repository that is changed and mirrored again and again, by runs that fail, and what must be true of its archive after the run that follows.
import { expect } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import type { ObjectKey } from '../../src/store/object-key.js'
import { ArchiveTree } from '../doubles/archive-tree.js'
import { addEveryKindOfRef, GitFixture } from '../doubles/git-fixture.js'
import type { Ended } from '../doubles/escrow-command.js'
import { EscrowHome, pulled } from '../doubles/escrow-home.js'
import { describeRepository } from '../doubles/test-archive.js'

type Described = ReturnType<typeof describeRepository>

/** A home, its source, and what the source was like when each deposit was taken. */
export class MirrorWalk {
  private readonly history: Described[] = []
  private readonly trees: readonly ArchiveTree[]

  private constructor(
    readonly home: EscrowHome,
    readonly fixture: GitFixture,
  ) {
    this.trees = (['a', 'b'] as const).map((replica) => new ArchiveTree(home, replica))
  }

  /** Remove it afterwards. Chains are short, so that full and incremental deposits take turns. */
  static async make(): Promise<MirrorWalk> {
    const fixture = new GitFixture()
    addEveryKindOfRef(fixture)
    const source = pulled('product', fixture.path, 'chainLengthMax: 2')
    return new MirrorWalk(await EscrowHome.make(source, { database: 'folder' }), fixture)
  }

  async remove(): Promise<void> {
    await this.home.remove()
    this.fixture.remove()
  }

  /**
   * Change the source, mirror it with a run that fails, then with one that does not. Afterwards there is exactly one deposit more.
   *
   * @param step - where the run fails; only so that changes differ.
   */
  async failOnce<E extends Ended>(step: { readonly name: string; readonly at: number }, failing: () => Promise<E>): Promise<E> {
    const label = `${step.name} ${step.at}`.replaceAll(/\W+/g, '-')
    this.fixture.addCommits('refs/heads/main', 1, { label })
    if (step.at % 5 === 0) this.fixture.git(['update-ref', '-d', 'refs/heads/side'])
    if (step.at % 5 === 1) this.fixture.addCommits('refs/heads/side', 1, { label: `side-${label}` })
    this.history.push(describeRepository(this.fixture.path))
    const failed = await failing()
    const again = await this.home.run('mirror')
    const said = `${step.name}, step ${step.at}, exit code ${failed.exitCode}:\n${failed.text}\nthen:\n${again.text}`
    expect(again.exitCode, said).toBe(0)
    this.expectWhole(said)
    return failed
  }

  /** Nothing lost, nothing twice, nothing half-visible: as the two replicas show it to a stranger. */
  private expectWhole(said: string): void {
    expect(this.home.scratch(), said).toEqual([])
    const sequences = this.history.map((_, place) => place + 1)
    for (const tree of this.trees) {
      const deposits = tree.deposits('product')
      expect(
        deposits.map(({ manifest }) => manifest.sequence),
        said,
      ).toEqual(sequences)
      expect(
        deposits.filter(({ receipt }) => receipt === null),
        said,
      ).toEqual([])
      const logged = tree.events().flatMap((event) => (event.type === 'escrow/event/deposit-stored/v1' ? [event] : []))
      expect(
        logged.map((event) => [event.sequence, event.manifest]),
        said,
      ).toEqual(deposits.map(({ manifest, digest }) => [manifest.sequence, digest]))
    }
  }

  /** Every copy on record is good, and every deposit that was ever taken is restored to what its source was then. */
  async expectRestorable(): Promise<void> {
    await this.home.must('check', '--all')
    expect(await this.home.must('repair')).toBe('nothing to repair')
    for (const tree of this.trees) {
      const restored: Described[] = []
      tree.restoreEach('product', (_, gitDir) => void restored.push(describeRepository(gitDir)))
      expect(restored).toEqual(this.history)
    }
    await this.expectStoredOnce()
  }

  /** Whatever is stored twice is locked twice, for years. Only receipts are replaced, when more witnesses have signed. */
  private async expectStoredOnce(): Promise<void> {
    for (const replica of ['a', 'b'] as const) {
      const store = new FsObjectStore(this.home.objects(replica), new SystemClock(), new SystemEntropy())
      const keys: ObjectKey[] = []
      for await (const { key } of store.list('agreements/')) if (!key.endsWith('/receipt.json')) keys.push(key)
      expect(keys.length).toBeGreaterThan(4 * this.history.length)
      for (const key of keys) expect(await store.versions(key), `${key} at ${replica}`).toHaveLength(1)
    }
  }
}
