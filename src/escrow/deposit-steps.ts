import { Inject, Injectable } from '@nestjs/common'
import { ReadPreviousDeposit } from './previous-deposit.js'
import { PublishDeposit } from './publish-deposit.js'
import { StoreDeposit } from './store-deposit.js'

/** The steps around `src/deposit`, together, because whoever takes a deposit needs all of them. */
@Injectable()
export class DepositSteps {
  constructor(
    @Inject(ReadPreviousDeposit) readonly previous: ReadPreviousDeposit,
    @Inject(StoreDeposit) readonly store: StoreDeposit,
    @Inject(PublishDeposit) readonly publish: PublishDeposit,
  ) {}
}
