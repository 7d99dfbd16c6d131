import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { objectStoreContract } from './object-store.contract.js'

objectStoreContract('an object store in a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'escrow-store-'))
  await makeStoreFolder(folder)
  return {
    store: new FsObjectStore(folder, new SystemClock(), new SystemEntropy()),
    listed: 100,
    close: () => rm(folder, { recursive: true }),
  }
})
