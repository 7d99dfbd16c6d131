import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common'
import type { Request, Response } from 'express'
import { isEscrowError } from '../core/errors.js'
import { problemOf, type Problem } from './problem.js'
import { requestIdOf, type RequestLog } from './request-log.js'

/** Answers everything that was thrown with a problem, and leaves the cause of faults in the log. In which form, each kind of client decides. */
export abstract class ProblemAnswer implements ExceptionFilter {
  /** What a client without a valid token is asked for. */
  protected abstract readonly challenge: { readonly header: string; readonly value: string }

  protected constructor(private readonly log: RequestLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>()
    const response = host.switchToHttp().getResponse<Response>()
    const requestId = requestIdOf(request)
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) this.log.fault(request, error)
    // Half an answer cannot be taken back; ended early, a client sees that it is not whole.
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (problem.status === 401) response.setHeader(this.challenge.header, this.challenge.value)
    if (isEscrowError(error) && typeof error.details['retryAfterSeconds'] === 'number') {
      response.setHeader('retry-after', String(error.details['retryAfterSeconds']))
    }
    // What was not read of a body must not be taken for the next request. Where none was announced a proxy keeps its connection.
    if (!request.complete && announcesBody(request)) response.setHeader('connection', 'close')
    response.setHeader('cache-control', 'no-store')
    const { type, body } = this.form(problem, requestId)
    response.status(problem.status).type(type).send(body)
  }

  /** The problem as this kind of client reads it. */
  protected abstract form(problem: Problem, requestId: string): { readonly type: string; readonly body: string }
}

function announcesBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

/** What programs that send a name and a password are asked for. */
export const passwordChallenge = 'Basic realm="escrow: any name, and an API token as the password"'
