// Where plaintext may be for a moment: one private folder per attempt, removed when the attempt ends, whatever happened, and swept
// on start when a crash left one. What it trusts: the scratch root belongs to us and nobody else can write to it.
import { mkdtemp, readdir, readFile, readlink, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { scratchForeignAgeMaxMs } from '../core/limits.js'
import { makeFolders } from '../core/make-folders.js'

const folderPrefix = 'escrow-scratch-'
const ownerFile = 'owner.json'
const ownerBytesMax = 4096
/** statfs(2): tmpfs and ramfs, which end with the power. */
const memoryFileSystems: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6])

/** What a scratch root is like. */
export interface ScratchReport {
  /** `disk`: a crash may leave plaintext behind, unless the volume is under an ephemeral key. */
  readonly kind: 'memory' | 'disk'
  readonly freeBytes: number
}

/** Who made a folder: enough to say later whether that process still runs. */
const ScratchOwner = z.strictObject({
  host: z.string(),
  /** Boot of the kernel and pid namespace: elsewhere the same pid is somebody else. */
  boot: z.string(),
  namespace: z.string(),
  pid: z.number().int().min(1),
  /** When the process started, in clock ticks since boot: pids are used again. */
  startTicks: z.string(),
})
type ScratchOwner = z.infer<typeof ScratchOwner>

/**
 * Run an attempt in a folder of its own (mode 0700) and remove the folder afterwards, also when the attempt fails.
 *
 * If we stop inside, the next `sweepScratch` removes it.
 *
 * @param root - the configured scratch folder; made when missing.
 * @returns what the attempt returns.
 * @throws EscrowError `SCRATCH_FULL` when there is no room for the folder; otherwise what the attempt throws.
 */
export async function withScratch<T>(root: string, attempt: (folder: string) => Promise<T>): Promise<T> {
  const folder = await translateFull(makeFolder(root))
  try {
    const owner = JSON.stringify(await thisOwner())
    await translateFull(writeFile(join(folder, ownerFile), owner, { mode: 0o600, flag: 'wx' }))
    return await attempt(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/**
 * Remove what crashed attempts left. Only folders that carry our owner file go, and only when their process is gone.
 *
 * @param root - the configured scratch folder; may be missing.
 * @returns how many folders were removed. Running it twice, or in two processes at once, does no harm.
 */
export async function sweepScratch(root: string, clock: Clock): Promise<number> {
  const names = await readdir(root).catch(() => [])
  const self = await thisOwner()
  let removed = 0
  for (const name of names.filter((entry) => entry.startsWith(folderPrefix))) {
    if (await sweepFolder(join(root, name), self, clock.now())) removed += 1
  }
  return removed
}

/**
 * Say what the scratch root is like.
 *
 * @param root - made when missing.
 * @returns on other systems than Linux always `disk`: there is no way to ask.
 */
export async function inspectScratch(root: string): Promise<ScratchReport> {
  await makeFolders(root, { mode: 0o700 })
  const found = await statfs(root)
  const inMemory = process.platform === 'linux' && memoryFileSystems.has(found.type)
  return { kind: inMemory ? 'memory' : 'disk', freeBytes: found.bavail * found.bsize }
}

/**
 * Refuse an attempt that cannot end well for lack of space.
 *
 * @param bytesNeeded - an estimate; the attempt itself still meets a full disk with `SCRATCH_FULL`.
 * @throws EscrowError `SCRATCH_FULL`
 */
export function requireScratchSpace(report: ScratchReport, bytesNeeded: number): void {
  if (report.freeBytes >= bytesNeeded) return
  throw new EscrowError('SCRATCH_FULL', `expected ${bytesNeeded} bytes free at the scratch folder, got ${report.freeBytes}`)
}

/**
 * Wait for something that writes to scratch, and give a full disk its own code.
 *
 * @throws EscrowError `SCRATCH_FULL`; anything else passes unchanged.
 */
export async function translateFull<T>(writing: Promise<T>): Promise<T> {
  try {
    return await writing
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new EscrowError('SCRATCH_FULL', 'no space is left at the scratch folder', { cause })
    throw cause
  }
}

async function makeFolder(root: string): Promise<string> {
  await makeFolders(root, { mode: 0o700 })
  return mkdtemp(join(root, folderPrefix))
}

async function sweepFolder(folder: string, self: ScratchOwner, now: Date): Promise<boolean> {
  const file = join(folder, ownerFile)
  const owner = await readOwner(file)
  // Without an owner it is either not ours or so young that it is empty: rmdir removes only the latter. If its maker still lives,
  // writing the owner file fails and that attempt with it; the next one succeeds.
  if (owner === null) return sweepEmpty(folder, now)
  if (await mayLive(owner, self, file, now)) return false
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  return true
}

async function sweepEmpty(folder: string, now: Date): Promise<boolean> {
  const made = await stat(folder).catch(() => null)
  if (made === null || now.getTime() - made.mtimeMs < scratchForeignAgeMaxMs) return false
  return rmdir(folder).then(
    () => true,
    () => false,
  )
}

async function readOwner(file: string): Promise<ScratchOwner | null> {
  try {
    if ((await stat(file)).size > ownerBytesMax) return null
    return ScratchOwner.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return null
  }
}

async function mayLive(owner: ScratchOwner, self: ScratchOwner, file: string, now: Date): Promise<boolean> {
  const askable = owner.host === self.host && owner.namespace === self.namespace
  if (askable && owner.boot !== self.boot) return false
  if (askable) return (await startTicks(owner.pid)) === owner.startTicks
  // Another container or host on the same volume: we cannot ask, so only age tells.
  const made = await stat(file).catch(() => null)
  return made !== null && now.getTime() - made.mtimeMs < scratchForeignAgeMaxMs
}

async function thisOwner(): Promise<ScratchOwner> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  const ticks = (await startTicks(process.pid)) ?? ''
  return { host: hostname(), boot: boot.trim(), namespace, pid: process.pid, startTicks: ticks }
}

/** When a process started; null when there is none. Without /proc only the existence of the pid counts. */
async function startTicks(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null)
  // proc(5): the command name in parentheses may hold anything, so count from the last one; start time is field 22.
  if (line !== null) return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null
  if (process.platform === 'linux') return null
  try {
    process.kill(pid, 0)
    return ''
  } catch {
    return null
  }
}
