import { Catch, Inject } from '@nestjs/common'
import type { Problem } from './problem.js'
import { passwordChallenge, ProblemAnswer } from './problem-answer.js'
import { RequestLog } from './request-log.js'

/** The same answers as everywhere, in the form that `git` shows to people: plain text, and a challenge for a password. */
@Catch()
export class GitProblemFilter extends ProblemAnswer {
  protected readonly challenge = { header: 'www-authenticate', value: passwordChallenge }

  constructor(@Inject(RequestLog) log: RequestLog) {
    super(log)
  }

  protected form({ detail, code, title }: Problem) {
    return { type: 'text/plain', body: `${detail} [${code}]\n${title}\n` }
  }
}
