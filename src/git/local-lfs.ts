import { open, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { pathBytesMax, readBlockBytes } from '../core/limits.js'
import { LfsRemote, type LfsObject, type LfsPlace } from './lfs-remote.js'

/** ADAPTER of `LfsRemote`: the objects that git-lfs keeps in the folder of a repository on this machine. */
export class LocalLfs extends LfsRemote {
  /** @param findGitDir - the folder that holds HEAD. */
  constructor(private readonly findGitDir: () => Promise<string>) {
    super()
  }

  /** What lies here is taken from here, whatever the file says: nobody is asked over the network for a repository of this machine. */
  namedAs(): LfsRemote {
    return this
  }

  async locate(objects: readonly LfsObject[]): Promise<readonly LfsPlace[]> {
    const folder = join(await mainGitDir(await this.findGitDir()), 'lfs', 'objects')
    return Promise.all(
      objects.map(async (object): Promise<LfsPlace> => {
        const path = join(folder, object.oid.slice(0, 2), object.oid.slice(2, 4), object.oid)
        const found = await stat(path).catch(() => null)
        if (found?.isFile() !== true) return { object, reason: 'git-lfs has no such object in this repository' }
        return { object, open: () => read(path) }
      }),
    )
  }
}

/**
 * The git folder that holds the objects: linked work trees keep them with the repository that they belong to (gitrepository-layout(5),
 * "commondir").
 *
 * @param gitDir - the folder that holds HEAD.
 */
export async function mainGitDir(gitDir: string): Promise<string> {
  const file = join(gitDir, 'commondir')
  const found = await stat(file).catch(() => null)
  if (found?.isFile() !== true || found.size > pathBytesMax) return gitDir
  return resolve(gitDir, (await readFile(file, 'utf8')).trim())
}

async function* read(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new EscrowError('REMOTE_BROKEN', 'an LFS object of the repository cannot be read', { cause })
  })
  try {
    for await (const block of file.createReadStream({ highWaterMark: readBlockBytes, autoClose: false })) yield block as Uint8Array
  } finally {
    await file.close()
  }
}
