import { monotonicMs } from '../core/environment.js'
import type { DepositProgress } from '../deposit/progress.js'

/** Where a command writes; the demo and the tests pass their own. */
export interface Terminal {
  /** Results: one line of standard output. */
  out(line: string): void
  /** Words to a person: one line of standard error. */
  err(line: string): void
  /** Replace the last unfinished line of standard error; only called when `interactive`. */
  redraw(text: string): void
  readonly interactive: boolean
}

/** The terminal of a real process. */
export function terminalOf(out: NodeJS.WriteStream, err: NodeJS.WriteStream): Terminal {
  let drawn = false
  const clear = () => {
    if (drawn) err.write('\r\u001B[2K')
    drawn = false
  }
  return {
    interactive: err.isTTY,
    out(line) {
      clear()
      out.write(`${line}\n`)
    },
    err(line) {
      clear()
      err.write(`${line}\n`)
    },
    redraw(text) {
      clear()
      err.write(text.slice(0, Math.max(20, (err.columns || 80) - 1)))
      drawn = true
    },
  }
}

/** A text that somebody else chose letter by letter, without what a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\uFFFD')
}

/** How far a long piece of work is. */
export interface Progress {
  readonly phase: string
  readonly done: number
  /** Left out while nobody knows it. */
  readonly total?: number
  readonly unit: 'objects' | 'bytes' | 'files'
  /** Bytes so far, where objects are counted. */
  readonly bytes?: number
}

const redrawMs = 100

/**
 * A progress line for a terminal: phase, count, rate and time left. Silent where nobody watches.
 *
 * @returns a function to call as often as one likes; it redraws at most ten times a second.
 */
export function progressLine(terminal: Terminal): (progress: Progress) => void {
  let shown: Progress | null = null
  let startedMs = 0
  let drawnMs = -redrawMs
  return (progress) => {
    if (!terminal.interactive) return
    const nowMs = monotonicMs()
    if (progress.phase !== shown?.phase) {
      shown = null
      startedMs = nowMs
      drawnMs = -redrawMs
    }
    shown = shown === null ? progress : joined(shown, progress)
    if (nowMs - drawnMs < redrawMs && progress.done !== progress.total) return
    drawnMs = nowMs
    terminal.redraw(describeProgress(shown, nowMs - startedMs))
  }
}

/** Objects and bytes of one phase are reported by turns; a line shows both. */
function joined(before: Progress, now: Progress): Progress {
  if (before.unit === 'objects' && now.unit === 'bytes') return { ...before, bytes: now.done }
  if (before.unit === 'bytes' && now.unit === 'objects') return { bytes: before.done, ...now }
  return before.bytes === undefined ? now : { bytes: before.bytes, ...now }
}

/** One line about a progress: `fetching  12,345 of 264,000 objects  4%  18.1 MiB at 9.0 MiB/s  0:38 left`. */
export function describeProgress(progress: Progress, elapsedMs: number): string {
  const { done, total, unit, bytes } = progress
  const count = (value: number) => (unit === 'bytes' ? formatBytes(value) : `${formatCount(value)} ${unit}`)
  const perSecond = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0
  const soFar = total === undefined ? count(done) : `${unit === 'bytes' ? count(done) : formatCount(done)} of ${count(total)}`
  const parts = [progress.phase, soFar]
  if (total !== undefined && total > 0) parts.push(`${Math.floor((100 * done) / total)}%`)
  if (bytes !== undefined) parts.push(`${formatBytes(bytes)}${elapsedMs > 0 ? ` at ${formatBytes((bytes * 1000) / elapsedMs)}/s` : ''}`)
  if (elapsedMs >= 500 && bytes === undefined) parts.push(`${count(Math.round(perSecond))}/s`)
  if (elapsedMs >= 500 && total !== undefined && perSecond > 0) parts.push(`${formatDuration(((total - done) / perSecond) * 1000)} left`)
  return parts.join('  ')
}

/** A deposit's progress as the terminal shows it. */
export function inTerminal(source: string, { phase, objects, objectsTotal, bytes, bytesTotal }: DepositProgress): Progress {
  const name = `${source}: ${phase}`
  if (objects !== undefined) {
    return {
      phase: name,
      done: objects,
      unit: 'objects',
      ...(objectsTotal === undefined ? {} : { total: objectsTotal }),
      ...(bytes === undefined ? {} : { bytes }),
    }
  }
  return { phase: name, done: bytes ?? 0, unit: 'bytes', ...(bytesTotal === undefined ? {} : { total: bytesTotal }) }
}

/** A number with commas: `1,234`. */
export function formatCount(value: number): string {
  return value.toLocaleString('en-US')
}

/** Bytes for people: `317 B`, `1.4 MiB`. */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = sizeBytes
  let step = 0
  while (value >= 1024 && step < units.length - 1) {
    value /= 1024
    step += 1
  }
  return `${step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`
}

/** A duration for people: `840 ms`, `12.3 s`, `4:05`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`
  const seconds = Math.round(durationMs / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
