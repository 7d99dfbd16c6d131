import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { laptopConfig } from '../../../config/laptop.js'
import { parseConfig } from '../../../config/load.js'
import { CONFIG, type Config } from '../../../config/schema.js'
import { makeReplicas, openAdapters } from '../../../src/adapters.module.js'
import { startApplication } from '../../../src/app.module.js'
import { createAgentFolder } from '../../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../../src/core/environment.js'
import { Database } from '../../../src/db/database.js'
import { listReplicas } from '../../../src/escrow/archive/copy.table.js'
import { ReplicaSet } from '../../../src/store/replica-set.js'
import { databasesInMemory } from '../../doubles/interpose.js'
import { fillDatabaseFolder } from '../../doubles/test-database.js'

const standing = { country: 'CH', control: 'CH', foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 }
const agent = { party: 'agent', role: 'agent' as const, name: 'Agent', organisation: 'Agent', standing }

let home: string
let config: Config

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'reduit-app-'))
  const text = laptopConfig({ origin: 'escrow.example/1', country: 'CH', control: 'CH' })
  config = parseConfig(text, { file: 'escrow.yaml', home, environment: {} })
})
afterEach(() => rm(home, { recursive: true }))

test('a home folder serves one application at a time, keeps its rows and is free when that is closed', async () => {
  await expect(openAdapters(config)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  await makeReplicas(config.replicas)
  await makeReplicas(config.replicas)
  await fillDatabaseFolder(join(home, 'db'))
  await createAgentFolder(config.keysFolder, agent, new SystemEntropy())
  const first = await startApplication(await openAdapters(config))
  expect(first.get(CONFIG)).toBe(config)
  expect(first.get(ReplicaSet).replicas.map((replica) => replica.name)).toEqual(['a', 'b'])
  const known = await first.get(Database).query(listReplicas)
  expect(known.map((row) => [row.replica, row.state])).toEqual([
    ['a', 'active'],
    ['b', 'active'],
  ])
  await expect(openAdapters(config)).rejects.toMatchObject({ code: 'HOME_LOCKED' })
  await first.close()
  expect(await readdir(join(home, 'db.lock'))).toEqual([])
  await expect(first.get(Database).query(listReplicas)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })

  const second = await startApplication(await openAdapters(config))
  expect(await second.get(Database).query(listReplicas)).toEqual(known)
  await second.close()
})

test('a store that the policy of the operator excludes stops the service before anything is opened', async () => {
  const strict = { ...config, jurisdiction: { storeCountries: ['LI'], storeControlExcluded: ['CH'] } }
  const refused = openAdapters(strict)
  await expect(refused).rejects.toMatchObject({ code: 'REPLICA_POLICY', message: expect.stringContaining('storeCountries') as string })
  await expect(refused).rejects.toThrow('storeControlExcluded')
  expect(await readdir(home)).toEqual([])
})

test('without the keys of the agent nothing starts, and nothing stays open', async () => {
  const restoreFolders = databasesInMemory()
  try {
    await makeReplicas(config.replicas)
    await expect(openAdapters(config).then((adapters) => startApplication(adapters))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    const again = await openAdapters(config)
    await again.close()
  } finally {
    await restoreFolders()
  }
})
