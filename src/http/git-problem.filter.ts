import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { Request, Response } from 'express'
import { isEscrowError } from '../core/errors.js'
import { problemOf } from './problem.js'
import { RequestLog, requestIdOf } from './request-log.js'

/** The same answers as everywhere, in the form that `git` shows to people: plain text, and a challenge for a password. */
@Catch()
export class GitProblemFilter implements ExceptionFilter {
  constructor(@Inject(RequestLog) private readonly log: RequestLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>()
    const response = host.switchToHttp().getResponse<Response>()
    const problem = problemOf(error, requestIdOf(request))
    if (problem.status >= 500) this.log.fault(request, error)
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (problem.status === 401) response.setHeader('www-authenticate', 'Basic realm="escrow: any name, and an API token as the password"')
    if (isEscrowError(error) && typeof error.details['retryAfterSeconds'] === 'number') {
      response.setHeader('retry-after', String(error.details['retryAfterSeconds']))
    }
    if (!request.complete) response.setHeader('connection', 'close')
    response.setHeader('cache-control', 'no-store')
    response.status(problem.status).type('text/plain').send(`${problem.detail} [${problem.code}]\n${problem.title}\n`)
  }
}
