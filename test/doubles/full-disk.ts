import { mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The methods with which a file handle writes; each takes what it writes first. */
const writing = ['write', 'writev', 'writeFile', 'appendFile'] as const
type Writing = Record<(typeof writing)[number], (this: FileHandle, content: unknown, ...rest: unknown[]) => unknown>

/**
 * Let whatever this process writes through file handles below a folder find the disk full after so many bytes. Programs that it starts
 * write as ever; `disk-full.slow.test.ts` takes a disk that is really full.
 *
 * @returns what gives the space back.
 */
export async function fillDisk(folder: string, freeBytes: number): Promise<() => void> {
  const handles = (await handlePrototype()) as unknown as Writing
  const kept = Object.fromEntries(writing.map((name) => [name, handles[name]])) as Writing
  let left = freeBytes
  for (const name of writing) {
    handles[name] = async function (content, ...rest) {
      if (readlinkSync(`/proc/self/fd/${this.fd}`).startsWith(folder)) left -= sizeOf(content, rest)
      if (left < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
      return kept[name].call(this, content, ...rest)
    }
  }
  return () => void Object.assign(handles, kept)
}

function sizeOf(content: unknown, rest: readonly unknown[]): number {
  if (Array.isArray(content)) return content.reduce((sum: number, one) => sum + sizeOf(one, []), 0)
  const whole = Buffer.byteLength(content as string | Uint8Array)
  return typeof rest[1] === 'number' ? Math.min(rest[1], whole) : whole
}

/** What all file handles of this process share. */
export async function handlePrototype(): Promise<FileHandle> {
  const folder = mkdtempSync(join(tmpdir(), 'reduit-handle-'))
  const handle = await open(join(folder, 'any'), 'w')
  await handle.close()
  rmSync(folder, { recursive: true })
  return Object.getPrototypeOf(handle) as FileHandle
}
