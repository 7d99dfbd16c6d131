import { Module } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { Database } from '../db/database.js'
import { ReplicaSet } from '../store/replica-set.js'
import { EventLog } from './event-log.js'
import { LogOptions } from './log-options.js'
import { LogReader } from './log-reader.js'
import { LogStore } from './log-store.js'
import { Sequencer } from './sequencer.js'

/** The verifiable log: events in, tiles and proofs out. */
@Module({
  providers: [
    { provide: LogStore, inject: [ReplicaSet], useFactory: (replicas: ReplicaSet) => new LogStore(replicas) },
    {
      provide: EventLog,
      inject: [Database, ReplicaSet, Clock, Entropy, LogOptions],
      useFactory: (database: Database, replicas: ReplicaSet, clock: Clock, entropy: Entropy, { identity }: LogOptions) =>
        new EventLog(database, replicas, clock, entropy, identity.retainUntil),
    },
    {
      provide: Sequencer,
      inject: [Database, LogStore, Clock, LogOptions],
      useFactory: (database: Database, store: LogStore, clock: Clock, { identity }: LogOptions) =>
        new Sequencer(database, store, clock, identity),
    },
    {
      provide: LogReader,
      inject: [Database, LogStore, LogOptions],
      useFactory: (database: Database, store: LogStore, { policy }: LogOptions) => new LogReader(database, store, policy),
    },
  ],
  exports: [EventLog, Sequencer, LogReader, LogStore],
})
export class LogModule {}
