import { Module } from '@nestjs/common'
import { LogModule } from '../log/log.module.js'
import { AcceptOffer } from './sealed/accept-offer.js'
import { AdoptAttachment } from './attachment/adopt-attachment.js'
import { Agent } from './agent.js'
import { AgreementShelf } from './archive/agreement-shelf.js'
import { ArmVault } from './agreement/arm-vault.js'
import { AttachmentKeeper } from './basis/attachment-keeper.js'
import { BeginService } from './begin-service.js'
import { CheckCredentials } from './source/check-credentials.js'
import { CompareStatement } from './deposit/compare-statement.js'
import { CheckToken } from './token/check-token.js'
import { CompleteCopies } from './archive/complete-copies.js'
import { CreateToken } from './token/create-token.js'
import { DepositSteps } from './deposit/deposit-steps.js'
import { DescribeAgreement } from './agreement/describe-agreement.js'
import { Documents } from './archive/documents.js'
import { FinishPush } from './push/finish-push.js'
import { ExtendRetention } from './archive/extend-retention.js'
import { HostKeeper } from './source/host-keeper.js'
import { IssueReceipts } from './deposit/issue-receipts.js'
import { LeaseKeeper } from './source/lease-keeper.js'
import { ListSources } from './source/list-sources.js'
import { MendSchedules } from './source/mend-schedules.js'
import { MirrorDueSource } from './deposit/mirror-due-source.js'
import { MirrorSource } from './deposit/mirror-source.js'
import { ReadPreviousDeposit } from './basis/previous-deposit.js'
import { ProveEvent } from './visible/prove-event.js'
import { PublishDeposit } from './deposit/publish-deposit.js'
import { PublishLog } from './deposit/publish-log.js'
import { ReadDocument } from './archive/read-document.js'
import { PushDoor } from './push/push-door.js'
import { ReceiveLfs } from './attachment/receive-lfs.js'
import { ReceivePush } from './push/receive-push.js'
import { ReceiveDeposit } from './sealed/receive-deposit.js'
import { RecordExplanation } from './deposit/record-explanation.js'
import { RecordMissed } from './source/record-missed.js'
import { RecordOutcome } from './deposit/record-outcome.js'
import { RegisterAgreement } from './agreement/register-agreement.js'
import { ReportCompleteness } from './deposit/report-completeness.js'
import { ResumeDeposit } from './deposit/resume-deposit.js'
import { RevokeToken } from './token/revoke-token.js'
import { SendAcceptances } from './agreement/send-acceptances.js'
import { SourceBasis } from './basis/source-basis.js'
import { StageAttachment } from './attachment/stage-attachment.js'
import { StoreDeposit } from './deposit/store-deposit.js'
import { StoreDocument } from './archive/store-document.js'
import { StoreReadme } from './archive/store-readme.js'
import { TakeAttachment } from './attachment/take-attachment.js'
import { TakeOffer } from './sealed/take-offer.js'
import { TryCredential } from './source/try-credential.js'
import { TakeSourceDeposit } from './deposit/take-source-deposit.js'
import { VisibleAgreements } from './visible/visible-agreements.js'
import { VisibleDeposits } from './visible/visible-deposits.js'
import { UploadReceived } from './sealed/upload-received.js'

const useCases = [
  ArmVault,
  CheckCredentials,
  CheckToken,
  CompareStatement,
  CreateToken,
  DescribeAgreement,
  ExtendRetention,
  IssueReceipts,
  ListSources,
  MendSchedules,
  MirrorDueSource,
  MirrorSource,
  ProveEvent,
  PublishLog,
  ReceiveDeposit,
  ReceiveLfs,
  ReceivePush,
  RecordExplanation,
  RecordMissed,
  RegisterAgreement,
  ReportCompleteness,
  RevokeToken,
  SendAcceptances,
  StageAttachment,
  StoreReadme,
  TakeAttachment,
  TakeOffer,
]
const steps = [
  AcceptOffer,
  AdoptAttachment,
  Agent,
  AgreementShelf,
  AttachmentKeeper,
  BeginService,
  CompleteCopies,
  DepositSteps,
  Documents,
  FinishPush,
  HostKeeper,
  LeaseKeeper,
  PushDoor,
  PublishDeposit,
  ReadDocument,
  ReadPreviousDeposit,
  RecordOutcome,
  ResumeDeposit,
  SourceBasis,
  StoreDeposit,
  StoreDocument,
  TakeSourceDeposit,
  TryCredential,
  UploadReceived,
  VisibleAgreements,
  VisibleDeposits,
]

/** Taking material in: agreements, vaults, deposits, receipts. Needs `EscrowOptions` and `AgentKeys`. */
@Module({ imports: [LogModule], providers: [...useCases, ...steps], exports: [...useCases, ...steps] })
export class EscrowModule {}
