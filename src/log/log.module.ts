import { Module } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { Database } from '../db/database.js'
import { ReplicaSet } from '../store/replica-set.js'
import { AskWitnesses } from './ask-witnesses.js'
import { EventLog } from './event-log.js'
import { LogFiles } from './log-files.js'
import { LogOptions } from './log-options.js'
import { LogReader } from './log-reader.js'
import { LogStore } from './log-store.js'
import { Sequencer } from './sequencer.js'
import type { CheckpointWitnesses } from './witness-round.js'

interface Asking {
  readonly database: Database
  readonly store: LogStore
  readonly reader: LogReader
  readonly clock: Clock
}

/** Who asks the witnesses; whatever the identity brings when no addresses are configured. */
function witnessesOf({ identity, policy, witnessAddresses: addresses = [] }: LogOptions, asking: Asking): CheckpointWitnesses | null {
  if (addresses.length === 0) return identity.witnesses
  return new AskWitnesses(asking.database, asking.store, asking.reader, asking.clock, { policy, addresses })
}

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
      inject: [Database, LogStore, LogReader, Clock, LogOptions],
      useFactory: (database: Database, store: LogStore, reader: LogReader, clock: Clock, options: LogOptions) =>
        new Sequencer(database, store, clock, { ...options.identity, witnesses: witnessesOf(options, { database, store, reader, clock }) }),
    },
    {
      provide: LogReader,
      inject: [Database, LogStore, LogOptions],
      useFactory: (database: Database, store: LogStore, { policy }: LogOptions) => new LogReader(database, store, policy),
    },
    {
      provide: LogFiles,
      inject: [LogStore, LogOptions],
      useFactory: (store: LogStore, { policy }: LogOptions) => new LogFiles(store, policy),
    },
  ],
  exports: [EventLog, Sequencer, LogFiles, LogReader, LogStore],
})
export class LogModule {}
