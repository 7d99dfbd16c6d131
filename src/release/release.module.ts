import { Module } from '@nestjs/common'
import { EscrowModule } from '../escrow/escrow.module.js'
import { LogModule } from '../log/log.module.js'
import { VerifyModule } from '../verify/verify.module.js'
import { AccessLedger } from './access-ledger.js'
import { ApplyAvailability } from './apply-availability.js'
import { CountAvailability } from './count-availability.js'
import { AmendAgreement } from './amend-agreement.js'
import { AdvanceOrder } from './advance-order.js'
import { AdvanceRequest } from './advance-request.js'
import { DrillLog } from './drill-log.js'
import { ExportCase } from './export-case.js'
import { GrantAccess } from './grant-access.js'
import { GrantedObjects } from './granted-objects.js'
import { ListDownload } from './list-download.js'
import { OrderShelf } from './order-shelf.js'
import { KeepEvidence } from './keep-evidence.js'
import { LastWord } from './last-word.js'
import { LookAfterAgreement } from './look-after-agreement.js'
import { PlaceHolds } from './place-holds.js'
import { RaiseAlarms } from './raise-alarms.js'
import { LegalOrderFiles } from './legal-order-files.js'
import { PutInForce } from './put-in-force.js'
import { RecordDrill } from './record-drill.js'
import { RecordLegalOrder } from './record-legal-order.js'
import { CustodyRoutes, RecordStatement, StatementRoutes } from './record-statement.js'
import { ReadAgain } from './read-again.js'
import { RebuildReleases } from './rebuild-releases.js'
import { RecordGrantStatement } from './record-grant-statement.js'
import { RecordTurn } from './record-turn.js'
import { RecordWord } from './record-word.js'
import { RegisterOrder } from './register-order.js'
import { RelayShare } from './relay-share.js'
import { ReleaseDesk } from './release-desk.js'
import { ReleaseFiles } from './release-files.js'
import { RequestShelf } from './request-shelf.js'
import { ServeDownload } from './serve-download.js'
import { StartDrill } from './start-drill.js'
import { SealedRecords } from './sealed-records.js'
import { SignAsAgent } from './sign-as-agent.js'
import { SubmitOrderRequest } from './submit-order-request.js'
import { SubmitRequest } from './submit-request.js'
import { SweepCustody } from './sweep-custody.js'
import { SendEvidence } from './send-evidence.js'
import { SendStatement } from './send-statement.js'
import { ServeGrant } from './serve-grant.js'
import { SweepReleases, ReleaseWork } from './sweep-releases.js'
import { SwitchEpoch } from './switch-epoch.js'
import { VisibleReleases } from './visible-releases.js'
import { WatchDepositor } from './watch-depositor.js'
import { TrackReturns } from './track-returns.js'

const useCases = [
  AdvanceOrder,
  AdvanceRequest,
  AmendAgreement,
  ExportCase,
  GrantAccess,
  KeepEvidence,
  ListDownload,
  RebuildReleases,
  RecordGrantStatement,
  RecordDrill,
  RecordLegalOrder,
  RecordStatement,
  RecordWord,
  RegisterOrder,
  RelayShare,
  ServeDownload,
  SignAsAgent,
  StartDrill,
  SubmitOrderRequest,
  SubmitRequest,
  SweepCustody,
  SendEvidence,
  SendStatement,
  ServeGrant,
  SweepReleases,
  VisibleReleases,
  TrackReturns,
  WatchDepositor,
]
const steps = [
  ApplyAvailability,
  CountAvailability,
  PlaceHolds,
  AccessLedger,
  CustodyRoutes,
  DrillLog,
  GrantedObjects,
  LastWord,
  LegalOrderFiles,
  LookAfterAgreement,
  OrderShelf,
  PutInForce,
  ReadAgain,
  RaiseAlarms,
  RecordTurn,
  ReleaseDesk,
  ReleaseFiles,
  ReleaseWork,
  RequestShelf,
  SealedRecords,
  StatementRoutes,
  SwitchEpoch,
]

/** Handing material out: requests, orders, votes, shares, grants. */
@Module({ imports: [LogModule, EscrowModule, VerifyModule], providers: [...useCases, ...steps], exports: [...useCases, ...steps] })
export class ReleaseModule {}
