import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { Request, Response } from 'express'
import { isEscrowError } from '../core/errors.js'
import { problemOf } from './problem.js'
import { RequestLog, requestIdOf } from './request-log.js'

/** Answers everything that was thrown with a problem, and leaves the cause of faults in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(RequestLog) private readonly log: RequestLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>()
    const response = host.switchToHttp().getResponse<Response>()
    const problem = problemOf(error, requestIdOf(request))
    if (problem.status >= 500) this.log.fault(request, error)
    // Half an answer cannot be taken back; ended early, a client sees that it is not whole.
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer realm="escrow"')
    if (isEscrowError(error) && typeof error.details['retryAfterSeconds'] === 'number') {
      response.setHeader('retry-after', String(error.details['retryAfterSeconds']))
    }
    // What was not read of a body must not be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close')
    response.setHeader('cache-control', 'no-store')
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
  }
}
