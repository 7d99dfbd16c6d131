// One attachment from the wire into the archive: a loopback server that seals, stores on two replicas and reads back, and curl that sends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { identityToRecipient } from '../../src/crypto/recipient.js'
import { keepAttachment } from '../../src/deposit/keep-attachment.js'
import { AgreementId } from '../../src/format/ids.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { vaultIdentity } from './archive.js'
import { answer, childInput, startUsage } from './usage.js'

/** What this child says. */
export interface KeptAttachment {
  readonly own: { readonly wallMs: number; readonly cpuMs: number; readonly peakRssBytes: number }
  readonly bytes: number
}

const { folder, file } = childInput<{ readonly folder: string; readonly file: string }>()
const entropy = new SystemEntropy()
const clock = new SystemClock()
const replicas = ['a', 'b'].map((name) => ({
  name,
  store: new FsObjectStore(join(folder, name), clock, entropy),
  heads: new FsLogHeadStore(join(folder, `${name}-heads`), entropy),
  country: 'CH',
  control: 'CH',
}))
for (const { name } of replicas) await makeStoreFolder(join(folder, name))
const tools = {
  agreement: AgreementId.parse('agr_aaaaaaaaaaaaaaaaaaaa'),
  source: 'bench',
  recipient: identityToRecipient(vaultIdentity),
  retainUntil: new Date(clock.now().getTime() + 86_400_000),
  folder,
  replicas: new ReplicaSet(replicas),
  entropy,
  beforeComplete: async () => undefined,
}
let bytes = 0
const server = createServer((request, response) => {
  keepAttachment({ bytes: request, expected: null }, tools).then(
    ({ plain }) => {
      bytes = plain.sizeBytes
      response.end()
    },
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const usage = startUsage()
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
const [code] = (await once(spawn('curl', ['-sSf', '-T', file, url], { stdio: 'inherit' }), 'close')) as [number]
if (code !== 0) throw new Error(`curl ended with ${code}`)
answer({ own: usage(), bytes } satisfies KeptAttachment)
server.close()
