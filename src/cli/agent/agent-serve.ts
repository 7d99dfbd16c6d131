import { setFlagsFromString } from 'node:v8'
import { loadConfig } from '../../../config/load.js'
import { openAdapters } from '../../adapters.module.js'
import { listen, makeServer, type ServerRole } from '../../http-app.module.js'
import { heapGrowthPercentMax } from '../../core/limits.js'
import { columns, type CommandContext, type CommandResult } from '../command.js'

/**
 * Serve the home folder over HTTP, and work on what is due, until somebody interrupts. Requests under way are answered and jobs under way
 * are ended or given back first; an interrupt is how it ends, so it is no failure.
 */
export async function serve(context: CommandContext, { role }: { readonly role: ServerRole }): Promise<CommandResult> {
  // V8 lets the heap of a process that is busy grow to several times of what lives in it, and a service is busy for months.
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercentMax}`)
  const config = await loadConfig(context.home)
  const server = await listen(await makeServer(await openAdapters(config, undefined, context.signal), { role }))
  const { url } = server
  for (const line of columns([
    ['service', url],
    ['role', role],
    ['routes', `${url}/docs`],
    ['health', `${url}/health/ready`],
  ]))
    context.terminal.err(line)
  await interrupted(context.signal)
  await server.close()
  return { json: { url, role, stopped: true }, lines: ['stopped; every request under way was answered, and every job ended or given back'] }
}

function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
