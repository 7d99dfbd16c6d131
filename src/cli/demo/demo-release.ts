// The release part of the demo: what the parties of an order, the arbiter and the custodians would type.
import { readdir } from 'node:fs/promises'
import { SystemClock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { writeNamedFile } from '../files.js'

/** Who holds the shares of the demo's vault. */
export const custodians = [
  { party: 'notary', country: 'CH', organisation: 'Notariat am See' },
  { party: 'university', country: 'DE', organisation: 'Universität Nordstadt' },
  { party: 'chamber', country: 'FR', organisation: 'Chambre de commerce' },
  { party: 'auditor', country: 'NL', organisation: 'Poldermans Audit' },
  { party: 'foundation', country: 'AT', organisation: 'Stiftung Quelloffen' },
] as const
const releasing = custodians.slice(1, 4)

/** What the demo's walk does for its parts. */
export interface DemoSteps {
  readonly agreement: string
  readonly proven: string[]
  readonly step: (title: string, argv: readonly string[], expected?: number) => Promise<void>
  readonly at: (...parts: readonly string[]) => string
  readonly atHome: () => readonly string[]
  readonly share: (party: string, epoch: number) => string
}

/** Order registered, contested, lost, approved by three of five, shares handed over. */
export class DemoRelease {
  constructor(private readonly walk: DemoSteps) {}

  /**
   * Walk from the order to the grant.
   *
   * @returns the folder of the released case in the mailbox.
   */
  async untilGranted(): Promise<string> {
    const orderCase = await this.registerOrder()
    await this.contestAndLose(orderCase)
    return this.approveAndHandOver()
  }

  private async registerOrder(): Promise<string> {
    const paper = this.walk.at('order.txt')
    await writeNamedFile(paper, 'The court orders the vendor to stop.\n')
    const matter = ['--issuer', 'Federal Court', '--jurisdiction', 'US', '--reference', 'No. 1 of the demo', '--document', `order=${paper}`]
    const date = ['--effective-at', new SystemClock().now().toISOString()]
    for (const party of ['partner', 'ministry']) {
      await this.walk.step(`${party} registers the shutdown order`, ['order', ...this.signing(party, 'order'), ...matter, ...date])
    }
    await this.record('the operator records both registrations', ['partner', 'ministry'], 'order')
    return this.mailbox('order-')
  }

  private async contestAndLose(orderCase: string): Promise<void> {
    const matter = ['--court', 'Court of Appeals', '--docket', 'A-17', '--grounds', 'The order is void.']
    await this.walk.step('the vendor contests it by all legal means', [
      'contest',
      ...this.signing('vendor', 'contest'),
      '--order',
      orderCase,
      ...matter,
    ])
    await this.record('the operator records the contestation', ['vendor'], 'contest')
    const outcome = ['--outcome', 'proceed', '--grounds', 'Both sides were heard; the appeal is dismissed.']
    await this.walk.step('the arbiter rules: lost', ['rule', ...this.signing('arbiter', 'rule'), '--order', orderCase, ...outcome])
    await this.record('the order is effective, and the request submits itself', ['arbiter'], 'rule')
    this.walk.proven.push('the order was registered by two parties, contested, and lost before the pinned arbiter')
  }

  private async approveAndHandOver(): Promise<string> {
    const requestCase = await this.mailbox('req_')
    await this.walk.step(`custodian ${custodians[1].party} looks at the case`, ['show', requestCase, ...this.pinned()])
    const reason = ['--reason', 'The order is final.']
    for (const { party } of releasing) {
      await this.walk.step(`custodian ${party} approves`, ['approve', requestCase, ...this.signing(party, 'approve'), ...reason])
    }
    const parties = releasing.map(({ party }) => party)
    await this.record('three of five have approved; the cooling-off is zero here', parties, 'approve')
    await this.mailbox('req_')
    for (const party of parties) {
      const handing = ['release-share', requestCase, ...this.signing(party, 'share'), '--share', this.walk.share(party, 1)]
      await this.walk.step(`custodian ${party} sees the approvals in the log and seals its share to the partner`, handing)
    }
    await this.record('two shares are held back', parties.slice(0, 2), 'share')
    await this.mailbox('req_')
    const early = [
      'open',
      '--as',
      this.walk.at('parties', 'partner'),
      ...this.pinned(),
      '--from',
      this.walk.at('partner-replica'),
      '--case',
      requestCase,
    ]
    await this.walk.step('so that nothing opens yet', [...early, '--source', 'product', '--to', this.walk.at('never.git')], 6)
    await this.record('with the third they are released, and access is granted', parties.slice(2), 'share')
    this.walk.proven.push('three shares of five open it; two are not even passed on')
    return this.mailbox('req_')
  }

  private async record(title: string, parties: readonly string[], name: string): Promise<void> {
    const files = parties.map((party) => this.walk.at('outbox', party, `${name}.json`))
    await this.walk.step(title, ['release', 'record', ...files, ...this.walk.atHome()])
  }

  /** Have the mailbox brought up to date. @returns the folder of the case whose name begins so. */
  private async mailbox(prefix: string): Promise<string> {
    await this.walk.step('the operator hands every party what it needs to judge by itself', [
      'release',
      'publish',
      '--to',
      this.walk.at('mailbox'),
      ...this.walk.atHome(),
    ])
    const name = (await readdir(this.walk.at('mailbox'))).find((candidate) => candidate.startsWith(prefix))
    if (name === undefined) throw new EscrowError('NOT_FOUND', `no case ${prefix} lies in the mailbox`)
    return this.walk.at('mailbox', name)
  }

  private signing(party: string, name: string): readonly string[] {
    return ['--as', this.walk.at('parties', party), ...this.pinned(), '--out', this.walk.at('outbox', party, `${name}.json`)]
  }

  private pinned(): readonly string[] {
    return ['--agreement', this.walk.agreement]
  }
}
