import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Database, type Tx } from '../db/database.js'
import { sweepScratch } from '../deposit/scratch.js'
import { EventLog } from '../log/event-log.js'
import { ReplicaSet } from '../store/replica-set.js'
import type { Replica } from '../store/replica.js'
import { Agent } from './agent.js'
import { AgreementShelf } from './archive/agreement-shelf.js'
import { endLeasesOfTheDead } from './archive/lease.table.js'
import { listReplicas, recordReplica, retireReplica } from './archive/copy.table.js'

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

  /** Every party's log says where its deposits lie from now on. Known only when all of them do: a start that breaks off is made good by the next. */
  private async add({ name, country, control }: Replica): Promise<void> {
    for (let after = ''; ;) {
      const page = await this.shelf.list(after, pageSize)
      const last = page.length < pageSize
      const change = async (tx: Tx) => {
        if (last) await recordReplica(tx, { replica: name, country, control, addedAt: this.agent.clock.now() })
      }
      const recordings = page.map(({ signed, annex }) => {
        const agreement = signed.body.agreement
        const draft = { type: 'escrow/event/replica-added/v1' as const, agreement, subject: agreement, replica: name, country, control }
        return { draft, tagSecret: Buffer.from(annex.tagSecret, 'hex') }
      })
      if (recordings.length === 0) await this.database.transaction(change)
      else await this.log.recordAll(recordings, change)
      if (last) return
      after = page.at(-1)?.signed.body.agreement ?? after
    }
  }
}
