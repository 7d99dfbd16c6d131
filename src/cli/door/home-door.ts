import type { INestApplicationContext } from '@nestjs/common'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { ArmVault, type Arming } from '../../escrow/agreement/arm-vault.js'
import { DescribeAgreement } from '../../escrow/agreement/describe-agreement.js'
import { showSource, SourceView } from '../../escrow/visible/escrow.views.js'
import { PublishLog } from '../../escrow/deposit/publish-log.js'
import { RecordExplanation, type Explained } from '../../escrow/deposit/record-explanation.js'
import { LogOptions } from '../../log/log-options.js'
import { readLogState } from '../../log/log-state.js'
import { listAlarms, listSilences } from '../../release/custody/custody.table.js'
import { ExportCase } from '../../release/case/export-case.js'
import { KeepEvidence } from '../../release/case/keep-evidence.js'
import { RecordStatement } from '../../release/record-statement.js'
import type { Outcome } from '../../release/order/register-order.js'
import { findRequest, listOrders, listRequests } from '../../release/release.table.js'
import * as views from '../../release/visible/release.views.js'
import { SweepReleases } from '../../release/sweep/sweep-releases.js'
import { readWhole } from '../../release/visible/visible-releases.js'
import { evidenceBeside, type StatementFile } from '../party/evidence-files.js'
import { orderFolder } from '../service/order-folder.js'
import type { ServiceDoor, ShownAgreement, ShownCase, ShownLog, ShownReleases } from '../service/service-door.js'

/** A home folder on this machine: its operator sees everything. */
export class HomeDoor implements ServiceDoor {
  private readonly database: Database

  constructor(
    private readonly app: INestApplicationContext,
    private readonly signal: AbortSignal,
  ) {
    this.database = app.get<Database>(Database)
  }

  async agreements(agreementId: string | null): Promise<readonly ShownAgreement[]> {
    const found = await this.app.get(DescribeAgreement).run(agreementId)
    return found.map(({ sources, ...one }) => ({ ...one, sources: sources.map((source) => SourceView.parse(showSource(source))) }))
  }

  async acceptances(documents: readonly Uint8Array[]): Promise<Arming> {
    const arming = await this.app.get(ArmVault).run(documents, this.signal)
    await this.publish()
    return arming
  }

  async log(): Promise<ShownLog> {
    const { receipts } = await this.app.get(PublishLog).run(this.signal)
    const { policy } = this.app.get<LogOptions>(LogOptions)
    return { origin: policy.origin, witnessQuorum: policy.witnessQuorum, ...(await readLogState(this.database, policy)), receipts }
  }

  async explanations(documents: readonly Uint8Array[]): Promise<readonly Explained[]> {
    const explained: Explained[] = []
    for (const bytes of documents) explained.push(await this.app.get(RecordExplanation).run(bytes, this.signal))
    await this.publish()
    return explained
  }

  async statements(files: readonly StatementFile[]): Promise<readonly views.OutcomeView[]> {
    const outcomes: Outcome[] = []
    for (const one of files) {
      outcomes.push(...(await this.app.get(RecordStatement).run(one.bytes, this.signal)))
      for await (const evidence of evidenceBeside(one)) await this.app.get(KeepEvidence).run(evidence, this.signal)
    }
    outcomes.push(...(await this.app.get(SweepReleases).run(this.signal)))
    await this.publish()
    return outcomes.map((outcome) => views.showOutcome(outcome))
  }

  async releases(): Promise<ShownReleases> {
    const requests = await this.database.query((db) => listRequests(db, null, rowsMax))
    const orders = await this.database.query((db) => listOrders(db, null, rowsMax))
    const silences = await this.database.query((db) => listSilences(db, rowsMax))
    const alarms = await this.database.query((db) => listAlarms(db, null, rowsMax))
    return {
      alarms: alarms.map((row) => views.AlarmView.parse(views.showAlarm(row))),
      silences: silences.map((row) => views.SilenceView.parse(views.showSilence(row))),
      orders: orders.map((row) => views.OrderView.parse(views.showOrder(row))),
      requests: requests.map((row) => views.RequestSummary.parse(views.showRequest(row))),
    }
  }

  async request(requestId: string): Promise<views.RequestView | null> {
    const row = await this.database.query((db) => findRequest(db, requestId))
    return row === null ? null : views.RequestView.parse(views.showWholeRequest(await readWhole(this.database, row)))
  }

  async *cases(): AsyncIterable<ShownCase> {
    await this.publish()
    const exporter = this.app.get(ExportCase)
    for (const { requestId } of await this.database.query((db) => listRequests(db, null, rowsMax))) {
      yield { folder: requestId, files: await exporter.run(requestId, this.signal) }
    }
    for (const row of await this.database.query((db) => listOrders(db, null, rowsMax))) {
      yield { folder: orderFolder(row.orderDigest, row.agreementId), files: await exporter.ofOrder(row, this.signal) }
    }
  }

  private async publish(): Promise<void> {
    await this.app.get(PublishLog).run(this.signal)
  }
}
