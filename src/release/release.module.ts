import { Module } from '@nestjs/common'
import { EscrowModule } from '../escrow/escrow.module.js'
import { LogModule } from '../log/log.module.js'
import { VerifyModule } from '../verify/verify.module.js'
import { AccessLedger } from './grant/access-ledger.js'
import { ApplyAvailability } from './request/apply-availability.js'
import { CountAvailability } from './request/count-availability.js'
import { AmendAgreement } from './amendment/amend-agreement.js'
import { AdvanceOrder } from './order/advance-order.js'
import { AdvanceRequest } from './request/advance-request.js'
import { DrillLog } from './drill/drill-log.js'
import { ExportCase } from './case/export-case.js'
import { GrantAccess } from './grant/grant-access.js'
import { GrantedObjects } from './grant/granted-objects.js'
import { ListDownload } from './grant/list-download.js'
import { OrderShelf } from './order/order-shelf.js'
import { KeepEvidence } from './case/keep-evidence.js'
import { LastWord } from './custody/last-word.js'
import { LookAfterAgreement } from './sweep/look-after-agreement.js'
import { PlaceHolds } from './request/place-holds.js'
import { RaiseAlarms } from './custody/raise-alarms.js'
import { LegalOrderFiles } from './legal/legal-order-files.js'
import { PutInForce } from './amendment/put-in-force.js'
import { RecordDrill } from './drill/record-drill.js'
import { RecordLegalOrder } from './legal/record-legal-order.js'
import { CustodyRoutes, RecordStatement, StatementRoutes } from './record-statement.js'
import { ReadAgain } from './grant/read-again.js'
import { RebuildReleases } from './rebuild/rebuild-releases.js'
import { RecordGrantStatement } from './grant/record-grant-statement.js'
import { RecordTurn } from './record-turn.js'
import { RecordWord } from './custody/record-word.js'
import { RegisterOrder } from './order/register-order.js'
import { RelayShare } from './request/relay-share.js'
import { ReleaseDesk } from './request/release-desk.js'
import { ReleaseFiles } from './release-files.js'
import { RequestShelf } from './request/request-shelf.js'
import { ServeDownload } from './grant/serve-download.js'
import { StartDrill } from './drill/start-drill.js'
import { SealedRecords } from './legal/sealed-records.js'
import { SignAsAgent } from './sweep/sign-as-agent.js'
import { SubmitOrderRequest } from './sweep/submit-order-request.js'
import { SubmitRequest } from './request/submit-request.js'
import { SweepCustody } from './sweep/sweep-custody.js'
import { SendEvidence } from './case/send-evidence.js'
import { SendStatement } from './send-statement.js'
import { ServeGrant } from './visible/serve-grant.js'
import { SweepReleases, ReleaseWork } from './sweep/sweep-releases.js'
import { SwitchEpoch } from './request/switch-epoch.js'
import { VisibleReleases } from './visible/visible-releases.js'
import { WatchDepositor } from './custody/watch-depositor.js'
import { TrackReturns } from './grant/track-returns.js'

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
