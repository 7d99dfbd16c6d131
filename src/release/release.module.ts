import { Module } from '@nestjs/common'
import { EscrowModule } from '../escrow/escrow.module.js'
import { LogModule } from '../log/log.module.js'
import { VerifyModule } from '../verify/verify.module.js'
import { AdvanceOrder } from './advance-order.js'
import { AdvanceRequest } from './advance-request.js'
import { ExportCase } from './export-case.js'
import { GrantAccess } from './grant-access.js'
import { OrderShelf } from './order-shelf.js'
import { LastWord } from './last-word.js'
import { CustodyRoutes, RecordStatement, StatementRoutes } from './record-statement.js'
import { RecordTurn } from './record-turn.js'
import { RecordWord } from './record-word.js'
import { RegisterOrder } from './register-order.js'
import { RelayShare } from './relay-share.js'
import { ReleaseDesk } from './release-desk.js'
import { ReleaseFiles } from './release-files.js'
import { RequestShelf } from './request-shelf.js'
import { SubmitOrderRequest } from './submit-order-request.js'
import { SubmitRequest } from './submit-request.js'
import { SweepReleases, ReleaseWork } from './sweep-releases.js'
import { SwitchEpoch } from './switch-epoch.js'
import { WatchDepositor } from './watch-depositor.js'

const useCases = [
  AdvanceOrder,
  AdvanceRequest,
  ExportCase,
  GrantAccess,
  RecordStatement,
  RecordWord,
  RegisterOrder,
  RelayShare,
  SubmitOrderRequest,
  SubmitRequest,
  SweepReleases,
  WatchDepositor,
]
const steps = [
  CustodyRoutes,
  LastWord,
  OrderShelf,
  RecordTurn,
  ReleaseDesk,
  ReleaseFiles,
  ReleaseWork,
  RequestShelf,
  StatementRoutes,
  SwitchEpoch,
]

/** Handing material out: requests, orders, votes, shares, grants. */
@Module({ imports: [LogModule, EscrowModule, VerifyModule], providers: [...useCases, ...steps], exports: [...useCases, ...steps] })
export class ReleaseModule {}
