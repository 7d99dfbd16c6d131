// The whole of it as a walk: what a vendor, its partners, the custodians and the operator would type, one after the other.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EscrowError } from '../../core/errors.js'
import { monotonicMs } from '../../core/environment.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'
import { demoDraft } from './demo-draft.js'
import { flipOneBit } from './demo-fault.js'
import { custodians, DemoRelease, type DemoSteps } from './demo-release.js'
import { DemoSource } from './demo-source.js'
import { writeNamedFile } from '../files.js'
import { formatDuration, type Terminal } from '../terminal.js'

/** One step that was walked. */
interface Walked {
  readonly title: string
  readonly durationMs: number
}

/**
 * Walk through deal, arm, deposit, check, repair, release and open in a fresh folder.
 *
 * @param repository - a path or URL; the checkout that this runs in when left out.
 * @throws EscrowError of the first step that does not do what it must.
 */
export async function demo(context: CommandContext, options: { keep: boolean }, repository?: string): Promise<CommandResult> {
  const folder = await mkdtemp(join(tmpdir(), 'escrow-demo-'))
  const walk = new DemoWalk(context, folder)
  try {
    await walk.everything(repository ?? process.cwd())
  } finally {
    if (!options.keep) await rm(folder, { recursive: true, force: true })
  }
  const rows = walk.walked.map((step): [string, string] => [formatDuration(step.durationMs).padStart(8), step.title])
  const total = walk.walked.reduce((sum, step) => sum + step.durationMs, 0)
  const lines = [
    '',
    'Proven:',
    ...walk.proven.map((fact) => `  ✓ ${fact}`),
    '',
    'Time:',
    ...columns(rows),
    ...columns([[formatDuration(total).padStart(8), 'all of it']]),
  ]
  if (options.keep) lines.push('', `Look around in ${folder}`)
  return { json: { proven: walk.proven, steps: walk.walked, folder: options.keep ? folder : null }, lines }
}

class DemoWalk implements DemoSteps {
  readonly walked: Walked[] = []
  readonly proven: string[] = []
  private readonly home: string
  readonly agreement: string

  constructor(
    private readonly context: CommandContext,
    private readonly folder: string,
  ) {
    this.home = join(folder, 'service')
    this.agreement = join(folder, 'agreement', 'agreement.json')
  }

  async everything(repository: string): Promise<void> {
    const isUrl = /^https?:\/\//.test(repository)
    this.say(`Everything happens in ${this.folder}; the commands are as one would type them there.`)
    const source = await this.timed('copy the source, so that the original stays untouched', () =>
      DemoSource.copyOf(repository, join(this.folder, 'vendor.git'), this.context.signal),
    )
    await this.partiesAndVault()
    await this.agree(source.path, isUrl ? repository : null)
    await this.deposits(source, isUrl)
    await this.fixity()
    await this.release(source, isUrl)
  }

  private async partiesAndVault(): Promise<void> {
    await this.step('the operator makes a home folder', ['init', '--origin', 'demo.reduit.example/1', ...this.atHome()])
    await this.step('the vendor makes its keys', this.keygen('vendor', 'depositor', 'US', 'Vendor Inc.'))
    await this.step('a consortium partner makes its keys', this.keygen('partner', 'beneficiary', 'DE', 'Partner AG'))
    await this.step('a ministry that supervises makes its keys', this.keygen('ministry', 'supervisor', 'CH', 'Ministry of Continuity'))
    await this.step('the arbiter makes its keys', this.keygen('arbiter', 'arbiter', 'CH', 'Chamber of Arbitration'))
    for (const one of custodians) {
      await this.step(`custodian ${one.party} makes its keys`, this.keygen(one.party, 'custodian', one.country, one.organisation))
    }
    const cards = custodians.flatMap((one) => ['--custodian', this.at('parties', one.party)])
    await this.step('the vendor deals the vault and its reserve, 3 of 5', ['vault', 'deal', this.at('vault'), '--threshold', '3', ...cards])
  }

  private async agree(sourcePath: string, url: string | null): Promise<void> {
    const draft = this.at('draft.yaml')
    await writeNamedFile(draft, demoDraft(sourcePath, url))
    const parties = [
      join(this.home, 'keys'),
      ...['vendor', 'partner', 'ministry', 'arbiter', ...custodians.map((one) => one.party)].map((party) => this.at('parties', party)),
    ]
    const create = [
      'agreement',
      'create',
      '--draft',
      draft,
      '--service',
      join(this.home, 'service.json'),
      '--vault',
      this.at('vault', 'vault.json'),
    ]
    await this.step('they write the agreement', [
      ...create,
      ...parties.flatMap((party) => ['--party', party]),
      '--out',
      this.at('agreement'),
    ])
    for (const party of ['vendor', 'partner']) {
      await this.step(`${party} signs it`, ['agreement', 'sign', this.agreement, '--as', this.at('parties', party)])
    }
    const annex = ['--annex', this.at('agreement', 'annex.age')]
    await this.step('the operator countersigns and registers it', ['agreement', 'register', this.agreement, ...annex, ...this.atHome()])
    for (const { party } of custodians) {
      const shares = [1, 2].flatMap((epoch) => ['--share', this.share(party, epoch)])
      const accept = ['vault', 'accept', '--as', this.at('parties', party), '--agreement', this.agreement, ...shares]
      await this.step(`custodian ${party} checks its shares and accepts`, [...accept, '--out', this.at('acceptances', party)])
    }
    const acceptances = await Promise.all(custodians.map(async ({ party }) => filesIn(this.at('acceptances', party))))
    await this.step('the operator arms the vault', ['vault', 'arm', ...acceptances.flat(), ...this.atHome()])
    this.proven.push('all five custodians hold shares that open this vault, and its reserve')
  }

  private async deposits(source: DemoSource, isUrl: boolean): Promise<void> {
    const mirror = ['mirror', ...this.atHome()]
    await this.step(isUrl ? 'a full deposit of the source, and of its scratch copy' : 'a full deposit', mirror)
    await this.timed('the vendor adds commits, a branch and a tag', () => source.addCommits(5))
    await this.step('an incremental deposit', [...mirror, '--source', 'product'])
    await this.timed('the vendor rewrites the branch', () => source.rewriteBranch())
    await this.step('an incremental deposit with a finding: both histories are kept', [...mirror, '--source', 'product'])
    await this.explain()
    await this.step('nothing new: recorded as unchanged', [...mirror, '--source', 'product'])
    this.proven.push('a full and two incremental deposits are sealed, stored on two replicas, and logged with receipts')
  }

  /** Without it a release would give the newest deposit whose findings somebody has explained: the one before. */
  private async explain(): Promise<void> {
    const objects = join(this.home, 'replicas', 'a', 'objects')
    const names = await readdir(objects, { recursive: true })
    const manifest = names.find((name) => name.replaceAll('\\', '/').endsWith('product/0000000003-incremental/manifest.json')) ?? 'none'
    const out = this.at('outbox', 'vendor', 'explain.json')
    const as = ['--as', this.at('parties', 'vendor'), '--agreement', this.agreement, '--explanation', 'We squashed a draft.', '--out', out]
    await this.step('the vendor explains the rewritten branch', ['explain', join(objects, manifest), ...as])
    await this.step('the operator records it, and the deposit opens by default again', ['record', out, ...this.atHome()])
  }

  private async fixity(): Promise<void> {
    const check = ['check', '--all', ...this.atHome()]
    await this.step('every byte of every replica is read again', check)
    const damaged = await this.timed('a disk at the second replica flips one bit', () =>
      flipOneBit(join(this.home, 'replicas', 'b', 'objects')),
    )
    this.say(`  ${damaged}`)
    await this.step('the check finds it', check, 3)
    await this.step('it is repaired from the good replica', ['repair', ...this.atHome()])
    await this.step('and everything is as it must be again', check)
    this.proven.push('one flipped bit in one replica was found and repaired')
    const replica = join(this.home, 'replicas', 'b', 'objects')
    await this.step('anybody verifies the archive offline', ['verify', replica, '--agreement', this.agreement])
    this.proven.push('signatures, chains and digests verify offline, without any secret')
    await this.step('the partner takes a ciphertext replica of its own', [
      'replicate',
      '--to',
      this.at('partner-replica'),
      ...this.atHome(),
    ])
  }

  private async release(source: DemoSource, isUrl: boolean): Promise<void> {
    const requestCase = await new DemoRelease(this).untilGranted()
    const opening = [
      'open',
      '--as',
      this.at('parties', 'partner'),
      '--agreement',
      this.agreement,
      '--from',
      this.at('partner-replica'),
      '--case',
      requestCase,
    ]
    const granted = ['--source', 'product', '--to', this.at('restored.git')]
    await this.step('the partner opens the newest deposit, which was granted', [...opening, ...granted])
    await this.compare('every ref and object is compared with the source', source, this.at('restored.git'))
    await this.step('the next deposit is a full one, to the reserve that nobody has shares of yet', [
      'mirror',
      '--source',
      'product',
      ...this.atHome(),
    ])
    this.proven.push('the released epoch is burned, and deposits go on under the reserve without the vendor')
    if (!isUrl) return
    await this.step('the partner opens the deposit of the URL', [...opening, '--source', 'upstream', '--to', this.at('upstream.git')])
  }

  private async compare(title: string, source: DemoSource, restored: string): Promise<void> {
    const found = await this.timed(title, () => source.compareWith(restored))
    if (!found.equal) throw new EscrowError('RESTORE_MISMATCH', `expected the restored repository to equal its source: ${found.difference}`)
    const fact = `the restored repository equals its source in all ${found.refs} refs and ${found.objects} objects`
    this.say(`  ${fact}`)
    this.proven.push(fact)
  }

  async step(title: string, argv: readonly string[], expected = 0): Promise<void> {
    this.say('', title, `$ escrow ${argv.map((word) => shellWord(this.shorten(word))).join(' ')}`)
    const { terminal } = this.context
    const indented: Terminal = {
      ...terminal,
      out: (line) => this.say(`  ${this.shorten(line)}`),
      err: (line) => this.say(`  ${this.shorten(line)}`),
      redraw: (text) => terminal.redraw(`  ${text}`),
      interactive: terminal.interactive && !this.context.json,
    }
    const exitCode = await this.timed(title, () => this.context.run(argv, indented, this.context.signal), false)
    this.context.signal.throwIfAborted()
    if (exitCode !== expected) throw new EscrowError('RESTORE_MISMATCH', `${title}: expected exit code ${expected}, got ${exitCode}`)
  }

  private async timed<T>(title: string, work: () => Promise<T>, announce = true): Promise<T> {
    if (announce) this.say('', title)
    const startedMs = monotonicMs()
    const result = await work()
    this.walked.push({ title, durationMs: monotonicMs() - startedMs })
    return result
  }

  private say(...lines: readonly string[]): void {
    if (!this.context.json) for (const line of lines) this.context.terminal.out(line)
  }

  private keygen(party: string, role: string, country: string, organisation: string): readonly string[] {
    return ['keygen', this.at('parties', party), '--party', party, '--role', role, '--country', country, '--organisation', organisation]
  }

  share(party: string, epoch: number): string {
    return this.at('vault', 'shares', `${party}-epoch-${epoch}.age`)
  }

  /** Paths as they are seen from the demo's folder. */
  private shorten(text: string): string {
    return text.replaceAll(`${this.folder}/`, '')
  }

  atHome(): readonly string[] {
    return ['--home', this.home]
  }

  at(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).sort().map((name) => join(folder, name))
}

function shellWord(word: string): string {
  return /^[\w./:@=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
