// One process at a time may open a home folder. PGlite takes no lock of its own, and node offers no flock.
//
// The lock is a folder with one empty file for each process that holds or wants it, named after the process: its number, where
// that number counts (boot and container), and its start time. A name is never used again by another process, so removing the file of a dead process can never remove somebody
// else's lock; with one fixed file name it could. Everybody writes a file first and looks second, so of two processes at least
// one sees the other.
import { open, readFile, readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { EscrowError } from '../core/errors.js'
import { monotonicMs } from '../core/environment.js'
import { lockSettleMs, lockSettlePollMs } from '../core/limits.js'
import { makeFolders } from '../core/make-folders.js'

/** Locks held by this process: a file of ours that is not in here was left by a dead process with our number. */
const held = new Set<string>()

/** The exclusive right to a home folder, until released or until the process dies. */
export class HomeLock {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /**
   * Take the lock. What dead processes left is removed.
   *
   * @param folder - absolute; made if need be. On a local file system.
   * @throws EscrowError `HOME_LOCKED` when a living process has it, or this one.
   */
  static async take(folder: string): Promise<HomeLock> {
    await makeFolders(folder, { mode: 0o700 })
    const own = await lockName(process.pid)
    const path = join(folder, own)
    if (held.has(path)) throw locked(folder, own)
    held.add(path)
    const lock = new HomeLock(path)
    try {
      await (await open(path, 'w', 0o600)).close()
      await standAlone(folder, own)
    } catch (error) {
      await lock.release()
      throw error
    }
    return lock
  }

  /** Give the lock back; idempotent. */
  async release(): Promise<void> {
    if (!held.has(this.#path)) return
    await rm(this.#path, { force: true })
    held.delete(this.#path)
  }
}

/** Of two processes that start at the same moment, the one whose name sorts first waits for the other to give way. */
async function standAlone(folder: string, own: string): Promise<void> {
  const deadline = monotonicMs() + lockSettleMs
  for (;;) {
    const others = await livingOthers(folder, own)
    const [first] = others
    if (first === undefined) return
    if (first < own || monotonicMs() > deadline) throw locked(folder, first)
    await wait(lockSettlePollMs)
  }
}

async function livingOthers(folder: string, own: string): Promise<readonly string[]> {
  const living: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name === own || !/^\d{1,10}(?:$|-)/.test(name)) continue
    if (await isAlive(name)) living.push(name)
    else await rm(join(folder, name), { force: true })
  }
  return living
}

/** Whether the process that a file is named after may still run. What we cannot see we must believe to be alive. */
async function isAlive(name: string): Promise<boolean> {
  const [pid = '', boot, space] = name.split('-')
  const here = await placeOfProcesses()
  if (boot !== undefined && here !== null) {
    if (boot !== here.boot) return false
    // Another container's processes cannot be seen from here.
    if (space !== here.space) return true
    return (await lockName(Number(pid))) === name
  }
  return isRunning(Number(pid))
}

/**
 * The name of the lock file of a process: `<pid>-<boot>-<pid namespace>-<start>`.
 *
 * On Linux boot id, namespace and start in clock ticks since boot (proc(5), /proc/pid/stat, field 22) make it unique for ever.
 * Elsewhere only the number is known, and a lock that a dead process left seems alive when its number was given away again.
 */
export async function lockName(pid: number): Promise<string> {
  const place = await placeOfProcesses()
  if (place === null) return `${pid}`
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const start = state === 'Z' ? 'dead' : (fields[18] ?? 'unknown')
    return `${pid}-${place.boot}-${place.space}-${start}`
  } catch {
    return `${pid}-${place.boot}-${place.space}-dead`
  }
}

async function placeOfProcesses(): Promise<{ readonly boot: string; readonly space: string } | null> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8)
    const space = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? 'unknown'
    return { boot, space }
  } catch {
    return null
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, under another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function locked(folder: string, name: string): EscrowError {
  return new EscrowError('HOME_LOCKED', `another process (${name.split('-', 1)[0] ?? name}) has this folder open; its lock is in ${folder}`)
}
