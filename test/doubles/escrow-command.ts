import { runEscrow } from '../../src/cli/program.js'

/** What one command line came to. */
export interface Ended {
  readonly exitCode: number
  /** Standard output, without its last line feed. */
  readonly out: string
  /** Standard error, without its last line feed and without lines of progress. */
  readonly err: string
  /** All that was printed, lines of progress too. */
  readonly text: string
}

/**
 * Run one command line in this process, at a terminal that somebody watches.
 *
 * @param seen - is given each line of progress.
 */
export async function escrow(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
  seen: (line: string) => void = () => undefined,
): Promise<Ended> {
  const [out, err, progress]: [string[], string[], string[]] = [[], [], []]
  const terminal = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    redraw: (line: string) => {
      progress.push(line)
      seen(line)
    },
    interactive: true,
  }
  const exitCode = await runEscrow(argv, terminal, signal)
  return { exitCode, out: out.join('\n'), err: err.join('\n'), text: [...out, ...err, ...progress].join('\n') }
}
