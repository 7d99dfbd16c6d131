import { Catch, Inject } from '@nestjs/common'
import { problemType } from './media-type.js'
import type { Problem } from './problem.js'
import { ProblemAnswer } from './problem-answer.js'
import { RequestLog } from './request-log.js'

/** Problems as RFC 9457 has them. */
@Catch()
export class ProblemFilter extends ProblemAnswer {
  protected readonly challenge = { header: 'www-authenticate', value: 'Bearer realm="escrow"' }

  constructor(@Inject(RequestLog) log: RequestLog) {
    super(log)
  }

  protected form(problem: Problem) {
    return { type: problemType, body: JSON.stringify(problem) }
  }
}
