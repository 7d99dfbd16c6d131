import { loadConfig } from '../../config/load.js'
import { openAdapters } from '../adapters.module.js'
import { listen, makeServer } from '../http-app.module.js'
import { columns, type CommandContext, type CommandResult } from './command.js'

/**
 * Serve the home folder over HTTP until somebody interrupts. Requests under way are answered first; an interrupt is how it ends, so it is
 * no failure.
 */
export async function serve(context: CommandContext): Promise<CommandResult> {
  const config = await loadConfig(context.home)
  const server = await listen(await makeServer(await openAdapters(config, undefined, context.signal)))
  const { url } = server
  for (const line of columns([
    ['service', url],
    ['routes', `${url}/docs`],
    ['health', `${url}/health/ready`],
  ]))
    context.terminal.err(line)
  await interrupted(context.signal)
  await server.close()
  return { json: { url, stopped: true }, lines: ['stopped; every request under way was answered'] }
}

function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
