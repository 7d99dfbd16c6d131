import { Inject, Injectable } from '@nestjs/common'
import { Sequencer } from '../../log/sequencer.js'
import { IssueReceipts } from './issue-receipts.js'

/** Steps of the sequencer in one run: with 2,048 leaves each, far more than a command leaves pending. */
const stepsMax = 10_000

/** Brings what is pending into the log, then issues the receipts that waited for it. */
@Injectable()
export class PublishLog {
  constructor(
    @Inject(Sequencer) private readonly sequencer: Sequencer,
    @Inject(IssueReceipts) private readonly receipts: IssueReceipts,
  ) {}

  /**
   * Publish until nothing is pending.
   *
   * @returns the size of the log and how many receipts were issued.
   * @throws EscrowError as `Sequencer.run` and `IssueReceipts.run`; nothing is lost then
   */
  async run(signal?: AbortSignal): Promise<{ readonly size: number; readonly receipts: number }> {
    let step = await this.sequencer.run(signal)
    for (let done = 1; step.more && done < stepsMax; done += 1) step = await this.sequencer.run(signal)
    return { size: step.size, receipts: await this.receipts.run(signal) }
  }
}
