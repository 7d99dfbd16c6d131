// What operators watch is there, says what is the case, and every alert rule asks for something that exists.
import { readFileSync } from 'node:fs'
import request from 'supertest'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'

let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let token: string

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  service = await ServiceFixture.open({ server: { log: () => undefined, jobs: {} } })
  agreed = await service.agree([
    { source: 'one', url: repository.path },
    { source: 'two', url: '/nowhere/at/all' },
  ])
  token = (await service.get(CreateToken).run({ card: service.party('agent').card, label: 'prometheus', days: 400 })).token
  service.clock.advance(2000)
  await service.get(Ticker).tick()
  await vi.waitFor(async () => {
    const counts = await service.get(JobQueue).counts()
    expect(counts.reduce((sum, { waiting, active }) => sum + waiting + active, 0)).toBe(0)
  }, 150_000)
  await service.publish()
  service.clock.advance(2 * dayMs)
}, 180_000)
afterAll(async () => {
  await service?.close()
  repository?.remove()
})

const scraped = async (): Promise<string> => {
  const server = (service.app as NestExpressApplication).getHttpServer()
  return (await request(server).get('/metrics').set('authorization', `Bearer ${token}`).expect(200)).text
}
const readings = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
const value = (text: string, name: string) => Number(readings(text, name)[0]?.split(' ').at(-1))

test('freshness, backlog, outcomes, bytes, the log and the replicas are there to be read', async () => {
  const text = await scraped()
  expect(readings(text, 'escrow_sources')).toEqual([
    'escrow_sources{state="active"} 2',
    'escrow_sources{state="late"} 2',
    'escrow_sources{state="failing"} 1',
    'escrow_sources{state="credential-refused"} 0',
  ])
  const ages = readings(text, 'escrow_source_age_seconds')
  expect(ages).toHaveLength(2)
  expect(ages.join()).toContain(`agreement="${agreed.id}",source="two"`)
  expect(Number(ages[0]?.split(' ').at(-1))).toBeGreaterThan((1.9 * dayMs) / 1000)
  expect(value(text, 'escrow_backlog_sources')).toBe(2)
  expect(value(text, 'escrow_backlog_oldest_seconds')).toBeGreaterThan(3600)
  expect(text).toMatch(/escrow_job_outcomes_total\{job="mirror-source",outcome="deposited"\} 1/)
  expect(text).toMatch(/escrow_job_outcomes_total\{job="mirror-source",outcome="REMOTE_[A-Z_]+"\} 1/)
  expect(text).toMatch(/escrow_job_bytes_total\{job="mirror-source"\} [1-9]/)
  expect(value(text, 'escrow_log_entries')).toBeGreaterThan(2)
  expect(value(text, 'escrow_log_pending_entries')).toBe(0)
  expect(text).toMatch(/escrow_replica_copies\{replica="a",state="present"\} [1-9]/)
  expect(text).toMatch(/escrow_replica_bytes\{replica="b",state="present"\} [1-9]/)
})

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

test('every alert rule asks for metrics that there are', async () => {
  const rules = (parse(readFileSync('config/alerts.yaml', 'utf8')) as Rules).groups.flatMap((group) => group.rules)
  expect(rules.length).toBeGreaterThan(10)
  const known = new Set(
    [...(await scraped()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  )
  for (const { alert, expr } of rules) {
    const asked = expr.match(/escrow_[a-z_]+/g) ?? []
    expect(asked.length, alert).toBeGreaterThan(0)
    for (const name of asked) expect(known, `${alert} asks for ${name}`).toContain(name)
  }
})
