import { Catch, Inject } from '@nestjs/common'
import type { Problem } from './problem.js'
import { passwordChallenge, ProblemAnswer } from './problem-answer.js'
import { RequestLog } from './request-log.js'

/** The same answers as everywhere, in the form that `git-lfs` shows to people (git-lfs docs/api/batch.md, "Response Errors"). */
@Catch()
export class LfsProblemFilter extends ProblemAnswer {
  protected readonly challenge = { header: 'lfs-authenticate', value: passwordChallenge }

  constructor(@Inject(RequestLog) log: RequestLog) {
    super(log)
  }

  protected form({ detail, code, title }: Problem, requestId: string) {
    return {
      type: 'application/vnd.git-lfs+json',
      body: JSON.stringify({ message: `${detail} [${code}] ${title}`, code, request_id: requestId }),
    }
  }
}
