import { EscrowError } from '../../core/errors.js'
import type { CommandContext } from '../command.js'
import type { ServiceDoor } from '../service/service-door.js'

/**
 * Open the door that the command line names, do something with the service behind it, and let go of it again.
 *
 * @throws EscrowError `ARGUMENT_INVALID` for --url without a token file; as `withService`; what `work` throws
 */
export async function withDoor<T>(context: CommandContext, work: (door: ServiceDoor) => Promise<T>): Promise<T> {
  if (context.service !== null) return work((await import('../service/http-door.js')).openHttpDoor(context.service, context.signal))
  const { HomeDoor } = await import('./home-door.js')
  const { withService } = await import('../agent/agent-context.js')
  return withService(context, (app) => work(new HomeDoor(app, context.signal)))
}

/** The service that a command line names, for commands that work over the network alone. @throws EscrowError `ARGUMENT_INVALID` */
export function requireService(context: CommandContext): NonNullable<CommandContext['service']> {
  if (context.service !== null) return context.service
  throw new EscrowError('ARGUMENT_INVALID', 'expected --url and --token-file: this command works with a service over the network')
}
