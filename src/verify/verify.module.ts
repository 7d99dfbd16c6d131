import { Module } from '@nestjs/common'
import { EscrowModule } from '../escrow/escrow.module.js'
import { LogModule } from '../log/log.module.js'
import { AttestSource } from './attest-source.js'
import { CheckFixity } from './check-fixity.js'
import { CheckLog } from './check-log.js'
import { CopyReader } from './copy-reader.js'
import { CollectEvidence } from './collect-evidence.js'
import { MeasureService } from './measure-service.js'
import { RebuildIndex } from './rebuild-index.js'
import { RecordFixity } from './record-fixity.js'
import { RepairLog } from './repair-log.js'
import { RepairObject } from './repair-object.js'
import { ReplicateArchive } from './replicate-archive.js'
import { SealEvidence } from './seal-evidence.js'
import { SpotCheck } from './spot-check.js'
import { VisibleFixity } from './visible-fixity.js'

/** Checking again what was stored, and repairing it. Needs `VerifyOptions`. */
@Module({
  imports: [LogModule, EscrowModule],
  providers: [
    AttestSource,
    CheckFixity,
    CheckLog,
    CollectEvidence,
    CopyReader,
    MeasureService,
    RebuildIndex,
    RecordFixity,
    RepairLog,
    RepairObject,
    ReplicateArchive,
    SealEvidence,
    SpotCheck,
    VisibleFixity,
  ],
  exports: [
    AttestSource,
    CheckFixity,
    CheckLog,
    CollectEvidence,
    MeasureService,
    RebuildIndex,
    RepairObject,
    ReplicateArchive,
    SealEvidence,
    SpotCheck,
    VisibleFixity,
  ],
})
export class VerifyModule {}
