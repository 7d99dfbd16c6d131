import { runEscrow } from '../../src/cli/program.js'
import type { ServerRole } from '../../src/http-app.module.js'

/** Run `escrow serve` on any free port of loopback, in this process, until `work` is done with its address; then interrupt it. @returns the exit code */
export async function serving(home: string, work: (url: string) => Promise<void>, role: ServerRole = 'api'): Promise<number> {
  const stop = new AbortController()
  let found: (url: string) => void = () => undefined
  const url = new Promise<string>((resolve) => (found = resolve))
  const err = (line: string) => {
    const [, address] = /service +(http:\S+)/.exec(line) ?? []
    if (address !== undefined) found(address)
  }
  const terminal = { out: () => undefined, err, redraw: () => undefined, interactive: false }
  process.env['ESCROW_HTTP_PORT'] = '0'
  const running = runEscrow(['--home', home, 'serve', '--role', role], terminal, stop.signal)
  try {
    const address = await Promise.race([url, running.then((code) => Promise.reject(new Error(`serve ended with ${code}`)))])
    // Read when the configuration was.
    delete process.env['ESCROW_HTTP_PORT']
    await work(address)
  } finally {
    stop.abort()
    await running
  }
  return running
}
