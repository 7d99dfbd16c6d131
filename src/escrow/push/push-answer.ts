import type { Writable } from 'node:stream'
import { monotonicMs } from '../../core/environment.js'
import { unreachable } from '../../core/errors.js'
import { pushKeepAliveMs } from '../../core/limits.js'
import type { DepositProgress } from '../../deposit/progress.js'
import { encodeBand, flushPacket } from '../../git/pkt-line.js'
import { encodeReport, type PushRequest } from '../../git/receive-pack.js'
import type { Problem } from '../../http/problem.js'
import type { Mirrored } from '../basis/source-at-work.js'

/** Between two words about how far something is. */
const progressMs = 500
const MiB = 1024 * 1024

/**
 * What is said to somebody who pushes: words while the deposit is taken, and one report of its refs at the end. Words go to side band 2, where
 * git shows them after `remote: `; a client without side bands is told the report alone.
 *
 * `quiet` leaves out how far something is, and nothing else (gitprotocol-capabilities, "quiet"). Git asks for it with `--quiet`, but also whenever
 * its errors go to no terminal: a CI could otherwise never read its receipt.
 */
export class PushAnswer {
  private readonly banded: boolean
  private readonly timer: NodeJS.Timeout
  private phase = ''
  private saidMs = 0

  /** @param to - the body of the response; `end` ends it. */
  constructor(
    private readonly to: Writable,
    private readonly request: PushRequest,
  ) {
    this.banded = request.capabilities.has('side-band-64k')
    // An empty packet, as git's own server sends it.
    this.timer = setInterval(() => this.write(1, ''), pushKeepAliveMs)
  }

  /** Say a line. */
  say(line: string): void {
    this.write(2, `${line}\n`)
  }

  /** Say how far the deposit is, now and then. */
  progress(progress: DepositProgress): void {
    if (this.request.capabilities.has('quiet')) return
    const { phase } = progress
    const nowMs = monotonicMs()
    // Git counts what it sends itself; what happens here afterwards it cannot see.
    if (phase === 'listing' || phase === 'fetching' || (phase === this.phase && nowMs - this.saidMs < progressMs)) return
    this.phase = phase
    this.saidMs = nowMs
    this.write(2, `${wordsOf(progress)}\r`)
  }

  /** Say what the push came to, and end. */
  end(result: { readonly mirrored: Mirrored; readonly receipt: string | null }): void {
    for (const line of linesOf(result)) this.say(line)
    this.report(() => null)
  }

  /** Say why nothing was taken, and end. @param problem - of faults it says no more than their code. */
  refuse(problem: Problem): void {
    const { detail, code, title } = problem
    const blamed = problem.details?.['ref']
    this.say(`nothing was stored: ${detail} [${code}]`)
    this.say(title)
    const other = blamed === undefined ? detail : 'not taken: a push is one deposit, and another ref was refused'
    this.report((wireName) => (wireName === blamed ? detail : other))
  }

  private report(reasonFor: (wireName: string) => string | null): void {
    clearInterval(this.timer)
    const { capabilities, commands } = this.request
    if (capabilities.has('report-status') || capabilities.has('report-status-v2')) {
      const report = encodeReport(
        null,
        commands.map(({ wireName }) => ({ wireName, reason: reasonFor(wireName) })),
      )
      this.to.write(this.banded ? encodeBand(1, report) : report)
    }
    this.to.end(this.banded ? flushPacket : undefined)
  }

  private write(band: 1 | 2, words: string): void {
    if (this.banded && !this.to.writableEnded && !this.to.destroyed) this.to.write(encodeBand(band, Buffer.from(words)))
  }
}

function wordsOf({ phase, bytes = 0, bytesTotal = 0, objects = 0, objectsTotal = 0 }: DepositProgress): string {
  switch (phase) {
    case 'resolving':
      return `resolving deltas: ${objects}/${objectsTotal}`
    case 'collecting':
      return `fetching LFS objects: ${objects}/${objectsTotal}`
    case 'storing':
      return `storing ${sizeOf(bytesTotal)} on every replica`
    case 'checking-seal':
      return `checking the seal: ${sizeOf(bytes)} of ${sizeOf(bytesTotal)}`
    case 'listing':
    case 'fetching':
    case 'checking':
      return 'checking history and contents'
    default:
      return unreachable(phase)
  }
}

function linesOf({ mirrored, receipt }: { readonly mirrored: Mirrored; readonly receipt: string | null }): readonly string[] {
  if (mirrored.outcome === 'unchanged') return [`nothing is new since deposit ${mirrored.sequence}; noted that it is up to date`]
  const { manifest, manifestDigest, depositId, findings } = mirrored
  const { bundle } = manifest
  const size = `${manifest.refCount} refs, ${bundle.objectCount} objects, ${sizeOf(bundle.sizeBytes)}`
  return [
    `deposit ${manifest.sequence} (${manifest.kind}) ${depositId}: ${size}`,
    ...manifest.findings.map(({ code, severity, count }) => {
      const first = findings.find((finding) => finding.code === code && finding.severity === severity)
      return `${severity}: ${code} (${count}) ${first === undefined ? '' : `${first.subject}: ${first.detail}`}`
    }),
    ...(manifest.outcome === 'fail' ? ['stored, and blocking until you explain it: escrow explain'] : []),
    `manifest ${manifestDigest}`,
    receipt === null ? 'the receipt follows as soon as the log is published' : `receipt ${receipt}`,
  ]
}

function sizeOf(bytes: number): string {
  return bytes < MiB ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / MiB).toFixed(1)} MiB`
}
