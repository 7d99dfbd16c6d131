import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common'
import type { Request, Response } from 'express'
import { problemOf } from './problem.js'
import { RequestLog, requestIdOf } from './request-log.js'

/** The same answers as everywhere, in the form that `git-lfs` shows to people (git-lfs docs/api/batch.md, "Response Errors"). */
@Catch()
export class LfsProblemFilter implements ExceptionFilter {
  constructor(@Inject(RequestLog) private readonly log: RequestLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>()
    const response = host.switchToHttp().getResponse<Response>()
    const id = requestIdOf(request)
    const problem = problemOf(error, id)
    if (problem.status >= 500) this.log.fault(request, error)
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (problem.status === 401) response.setHeader('lfs-authenticate', 'Basic realm="escrow: any name, and an API token as the password"')
    if (!request.complete) response.setHeader('connection', 'close')
    response.setHeader('cache-control', 'no-store')
    const message = `${problem.detail} [${problem.code}] ${problem.title}`
    response
      .status(problem.status)
      .type('application/vnd.git-lfs+json')
      .send(JSON.stringify({ message, code: problem.code, request_id: id }))
  }
}
