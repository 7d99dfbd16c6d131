import { Module } from '@nestjs/common'
import { LogModule } from '../log/log.module.js'
import { AcceptOffer } from './accept-offer.js'
import { AdoptAttachment } from './adopt-attachment.js'
import { Agent } from './agent.js'
import { AgreementShelf } from './agreement-shelf.js'
import { ArmVault } from './arm-vault.js'
import { AttachmentKeeper } from './attachment-keeper.js'
import { BeginService } from './begin-service.js'
import { CheckCredentials } from './check-credentials.js'
import { CompareStatement } from './compare-statement.js'
import { CheckToken } from './check-token.js'
import { CompleteCopies } from './complete-copies.js'
import { CreateToken } from './create-token.js'
import { DepositSteps } from './deposit-steps.js'
import { DescribeAgreement } from './describe-agreement.js'
import { Documents } from './documents.js'
import { FinishPush } from './finish-push.js'
import { ExtendRetention } from './extend-retention.js'
import { HostKeeper } from './host-keeper.js'
import { IssueReceipts } from './issue-receipts.js'
import { LeaseKeeper } from './lease-keeper.js'
import { ListSources } from './list-sources.js'
import { MendSchedules } from './mend-schedules.js'
import { MirrorDueSource } from './mirror-due-source.js'
import { MirrorSource } from './mirror-source.js'
import { ReadPreviousDeposit } from './previous-deposit.js'
import { ProveEvent } from './prove-event.js'
import { PublishDeposit } from './publish-deposit.js'
import { PublishLog } from './publish-log.js'
import { ReadDocument } from './read-document.js'
import { PushDoor } from './push-door.js'
import { ReceiveLfs } from './receive-lfs.js'
import { ReceivePush } from './receive-push.js'
import { ReceiveDeposit } from './receive-deposit.js'
import { RecordExplanation } from './record-explanation.js'
import { RecordMissed } from './record-missed.js'
import { RecordOutcome } from './record-outcome.js'
import { RegisterAgreement } from './register-agreement.js'
import { ReportCompleteness } from './report-completeness.js'
import { ResumeDeposit } from './resume-deposit.js'
import { RevokeToken } from './revoke-token.js'
import { SendAcceptances } from './send-acceptances.js'
import { SourceBasis } from './source-basis.js'
import { StageAttachment } from './stage-attachment.js'
import { StoreDeposit } from './store-deposit.js'
import { StoreDocument } from './store-document.js'
import { StoreReadme } from './store-readme.js'
import { TakeAttachment } from './take-attachment.js'
import { TakeOffer } from './take-offer.js'
import { TryCredential } from './try-credential.js'
import { TakeSourceDeposit } from './take-source-deposit.js'
import { VisibleAgreements } from './visible-agreements.js'
import { VisibleDeposits } from './visible-deposits.js'
import { UploadReceived } from './upload-received.js'

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
