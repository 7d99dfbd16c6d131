// A repository of random blobs: as large as one likes, and nothing that git could compress or delta, so that bytes are what it costs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createCipheriv } from 'node:crypto'
import { measure } from './measure.js'

const blobBytes = 1024 * 1024

/**
 * Make a bare repository with one commit of 1 MiB files.
 *
 * @param gitDir - does not exist yet.
 * @param files - how many; 1 or more.
 */
export async function makeSyntheticRemote(gitDir: string, files: number): Promise<void> {
  await measure(['git', 'init', '--quiet', '--bare', '--initial-branch=main', gitDir])
  const settings = ['core.compression=0', 'pack.compression=0', 'core.bigFileThreshold=8m', 'core.fsync=none']
  const argv = [`--git-dir=${gitDir}`, ...settings.flatMap((setting) => ['-c', setting]), 'fast-import', '--quiet']
  const git = spawn('git', argv, { stdio: ['pipe', 'ignore', 'inherit'] })
  const ended = once(git, 'close')
  // A stream cipher over zeros: random for zlib, the same in every run, and faster than the system's generator.
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(blobBytes)
  const put = async (bytes: Uint8Array | string) => {
    if (!git.stdin.write(bytes)) await once(git.stdin, 'drain')
  }
  await put('commit refs/heads/main\ncommitter Bench <bench@example.org> 1750000000 +0000\ndata 5\nbench\n')
  for (let number = 0; number < files; number += 1) {
    await put(`M 100644 inline ${number}.bin\ndata ${blobBytes}\n`)
    await put(cipher.update(zeros))
    await put('\n')
  }
  git.stdin.end('\ndone\n')
  const [code] = (await ended) as [number | null]
  if (code !== 0) throw new Error(`git fast-import ended with code ${code}`)
}
