import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Database, type Tx } from '../db/database.js'
import { sweepScratch } from '../deposit/scratch.js'
import { EventLog } from '../log/event-log.js'
import { ReplicaSet } from '../store/replica-set.js'
import type { Replica } from '../store/replica.js'
import { Agent } from './agent.js'
import { AgreementShelf } from './agreement-shelf.js'
import { endLeasesOfTheDead } from './lease.table.js'
import { listReplicas, recordReplica, retireReplica } from './object.table.js'

const pageSize = 500

/** What a process does before it works: sweep what a dead one left, and know the replicas that the configuration names. */
@Injectable()
export class BeginService implements OnModuleInit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** Idempotent; runs at every start. @throws EscrowError `DATABASE_*`, `STORE_*`, `SCRATCH_FULL` */
  async onModuleInit(): Promise<void> {
    await sweepScratch(this.agent.options.scratch.root, this.agent.clock)
    // With a database of one's own, whoever held a lease is dead.
    if (this.database.exclusive) await this.database.query((db) => endLeasesOfTheDead(db, this.agent.clock.now()))
    const known = await this.database.query((db) => listReplicas(db))
    for (const replica of this.replicas.replicas) {
      const row = known.find((candidate) => candidate.replica === replica.name)
      const same = row?.state === 'active' && row.country === replica.country && row.control === replica.control
      if (!same) await this.add(replica)
    }
    const names = new Set(this.replicas.replicas.map((replica) => replica.name))
    for (const row of known)
      if (row.state === 'active' && !names.has(row.replica)) await this.database.query((db) => retireReplica(db, row.replica))
  }

  /** Every party's log says where its deposits lie from now on. */
  private async add({ name, country, control }: Replica): Promise<void> {
    const change = (tx: Tx, addedAt: Date) => recordReplica(tx, { replica: name, country, control, addedAt })
    let recorded = false
    for (let after = ''; ;) {
      const page = await this.shelf.list(after, pageSize)
      for (const { signed, annex } of page) {
        const agreement = signed.body.agreement
        const draft = { type: 'escrow/event/replica-added/v1' as const, agreement, subject: agreement, replica: name, country, control }
        await this.log.record({ draft, tagSecret: Buffer.from(annex.tagSecret, 'hex') }, (tx, { event }) => change(tx, new Date(event.at)))
        recorded = true
        after = agreement
      }
      if (page.length === 0) break
    }
    if (!recorded) await this.database.transaction((tx) => change(tx, this.agent.clock.now()))
  }
}
