// The examples are configurations, and their parts fit together.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../../config/load.js'

const folder = join(import.meta.dirname, '../../../config/examples')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const at = { file: 'escrow.yaml', home: '/var/lib/reduit/home', environment: {} }

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly tmpfs?: readonly string[]
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

const compose = parse(read('fleet/compose.yaml'), { merge: true }) as Compose
const fleet = parseConfig(read('fleet/escrow.yaml'), at)
const ours = Object.values(compose.services).filter(({ image }) => image === 'reduit')

test('the fleet is PostgreSQL, Redis and two stores, with processes that answer and processes that work', () => {
  expect([fleet.database.kind, fleet.queue.kind, fleet.replicas.map(({ kind }) => kind)]).toEqual(['postgres', 'redis', ['s3', 's3']])
  expect(ours.map(({ command }) => command?.slice(0, 3))).toEqual([
    ['init', '--config', '/etc/reduit/escrow.yaml'],
    ['serve', '--role', 'api'],
    ['serve', '--role', 'worker'],
  ])
})

test('every secret, volume and service that is named is declared', () => {
  for (const service of Object.values(compose.services)) {
    for (const secret of service.secrets ?? []) expect(compose.secrets).toHaveProperty(secret)
    for (const volume of service.volumes ?? []) {
      const [name = ''] = volume.split(':')
      if (!name.startsWith('.')) expect(compose.volumes).toHaveProperty(name)
    }
    for (const other of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(other)
  }
})

test('every secret of the configuration is one that our processes are given, and every host is a service', () => {
  const text = read('fleet/escrow.yaml')
  const named = [...text.matchAll(/\/run\/secrets\/([a-z-]+)/g)].map(([, name]) => name ?? '')
  expect(named.length).toBe(6)
  for (const service of ours) expect(service.secrets).toEqual(expect.arrayContaining(named))
  for (const replica of fleet.replicas) {
    if (replica.kind === 's3') expect(compose.services).toHaveProperty(new URL(replica.endpoint).hostname)
  }
})

test('plaintext lies in memory, and the home folder outlives a container', () => {
  for (const service of ours) {
    expect(service.tmpfs?.some((mount) => mount.startsWith(`${fleet.scratch.folder}:`))).toBe(true)
    expect(service.volumes).toContain(`home:${fleet.home}`)
  }
})

test('no store of the list starts before somebody has found out who controls it', () => {
  const { replicas } = parse(read('swiss-stores.yaml')) as { readonly replicas: readonly Record<string, unknown>[] }
  expect(replicas.length).toBeGreaterThan(3)
  const rest = 'origin: escrow.example/1\njurisdiction: { storeCountries: [CH], storeControlExcluded: [US] }\nlog: { witnessQuorum: 0 }\n'
  const config = (entry: object) => parseConfig(`${rest}replicas: [${JSON.stringify(entry)}]`, at)
  for (const entry of replicas) {
    expect(() => config(entry), String(entry['name'])).toThrow(/replicas/)
    const guessed = { country: 'CH', control: 'CH', endpoint: 'https://s3.example', region: 'r' }
    const filled = Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, value ?? guessed[key as keyof typeof guessed]]))
    expect(config(filled).replicas[0]).toMatchObject({ kind: 's3', name: entry['name'] })
  }
})
