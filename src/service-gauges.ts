// What Prometheus reads of the whole service, from any of its processes. config/alerts.yaml has rules on these names.
import { Inject, Injectable } from '@nestjs/common'
import { Gauge } from 'prom-client'
import { Metrics } from './http/metrics.js'
import { MeasureService, secondsSince, type ServiceState } from './verify/measure-service.js'

interface Reading {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

interface GaugeRule {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  readonly read: (state: ServiceState) => readonly Reading[]
}

const one = (value: number): readonly Reading[] => [{ value }]

const rules: readonly GaugeRule[] = [
  {
    name: 'escrow_sources',
    help: 'Sources in force: all (active), with a due time that nothing has met yet (late), failing, with a credential that was refused.',
    labels: ['state'],
    read: ({ sources }) => [
      { labels: { state: 'active' }, value: sources.active },
      { labels: { state: 'late' }, value: sources.late },
      { labels: { state: 'failing' }, value: sources.failing },
      { labels: { state: 'credential-refused' }, value: sources.credentialRefused },
    ],
  },
  {
    name: 'escrow_source_age_seconds',
    help: 'Since when the archive last equalled its remote; for the sources where that is longest ago, up to 500.',
    labels: ['agreement', 'source'],
    read: ({ ages }) => ages.map(({ agreement, source, seconds }) => ({ labels: { agreement, source }, value: seconds })),
  },
  { name: 'escrow_backlog_sources', help: 'Sources that are due and wait for a worker.', read: ({ sources }) => one(sources.waiting) },
  {
    name: 'escrow_backlog_oldest_seconds',
    help: 'How long the first of the waiting sources has waited.',
    read: ({ sources, now }) => one(secondsSince(sources.waitingSince, now)),
  },
  { name: 'escrow_log_entries', help: 'Entries of the log under a checkpoint.', read: ({ log }) => one(log.size) },
  {
    name: 'escrow_log_pending_entries',
    help: 'Events that were recorded and have no place in the log yet.',
    read: ({ log }) => one(log.pending),
  },
  {
    name: 'escrow_log_lag_seconds',
    help: 'How long the oldest of the pending events has waited.',
    read: ({ log, now }) => one(secondsSince(log.pendingSince, now)),
  },
  {
    name: 'escrow_log_unwitnessed_entries',
    help: 'Entries under a checkpoint that the witness quorum has not cosigned.',
    read: ({ log }) => one(log.unwitnessed),
  },
  {
    name: 'escrow_replica_copies',
    help: 'Stored copies by replica and state (present, missing, mismatch, unreadable).',
    labels: ['replica', 'state'],
    read: ({ copies }) => copies.map(({ replica, state, copies: value }) => ({ labels: { replica, state }, value })),
  },
  {
    name: 'escrow_replica_bytes',
    help: 'Bytes of the stored copies by replica and state.',
    labels: ['replica', 'state'],
    read: ({ copies }) => copies.map(({ replica, state, bytes }) => ({ labels: { replica, state }, value: bytes })),
  },
  {
    name: 'escrow_fixity_overdue_copies',
    help: 'Copies that are to be read again by now, by replica.',
    labels: ['replica'],
    read: ({ overdue }) => overdue.map(({ replica, copies }) => ({ labels: { replica }, value: copies })),
  },
  {
    name: 'escrow_fixity_overdue_seconds',
    help: 'How long the most overdue of these copies is overdue.',
    labels: ['replica'],
    read: ({ overdue }) => overdue.map(({ replica, seconds }) => ({ labels: { replica }, value: seconds })),
  },
]

/** The gauges of the service, filled whenever Prometheus asks. */
@Injectable()
export class ServiceGauges {
  constructor(@Inject(Metrics) { registry }: Metrics, @Inject(MeasureService) measure: MeasureService) {
    for (const { name, help, labels = [], read } of rules) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers: [registry],
        collect: async () => {
          const readings = read(await measure.run())
          gauge.reset()
          for (const reading of readings) gauge.set({ ...reading.labels }, reading.value)
        },
      })
    }
  }
}
