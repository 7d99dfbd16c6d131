import { Inject, Injectable } from '@nestjs/common'
import { ReadPreviousDeposit } from '../basis/previous-deposit.js'
import { PublishDeposit } from './publish-deposit.js'
import { RecordOutcome } from './record-outcome.js'
import { ResumeDeposit } from './resume-deposit.js'
import { StoreDeposit } from './store-deposit.js'

/** The steps around `src/deposit` in the order in which they are taken, together, because whoever takes a deposit needs all of them. */
@Injectable()
export class DepositSteps {
  constructor(
    @Inject(ResumeDeposit) readonly resume: ResumeDeposit,
    @Inject(ReadPreviousDeposit) readonly previous: ReadPreviousDeposit,
    @Inject(StoreDeposit) readonly store: StoreDeposit,
    @Inject(PublishDeposit) readonly publish: PublishDeposit,
    @Inject(RecordOutcome) readonly outcomes: RecordOutcome,
  ) {}
}
