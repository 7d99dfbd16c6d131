/**
 * Every POST carries an idempotency key, and repeating it gives the first answer. What a POST does is idempotent by itself too: statements
 * and agreements are known by their digests. So a crash between effect and answer costs nothing: after its lease the key is taken over, the
 * use case finds its work done, and the answer is the same (decision 0004).
 */
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { Response } from 'express'
import { from, type Observable } from 'rxjs'
import { lastValueFrom } from 'rxjs'
import { Clock } from '../core/environment.js'
import { assert, EscrowError } from '../core/errors.js'
import { sha256Hex } from '../crypto/digest.js'
import { Database } from '../db/database.js'
import {
  answerKey,
  findKey,
  insertKey,
  releaseKey,
  sweepKeys,
  takeOverKey,
  type IdempotencyRow,
  type UsedKey,
} from './idempotency.table.js'
import { bodyKey, type BodyRule } from './body-rule.js'
import { HttpPatience } from './patience.js'
import { readBody } from './read-body.js'
import type { ViewedRequest } from './viewer.js'

const keyPattern = /^[A-Za-z0-9_-]{16,128}$/
/** Longer than any use case takes; a repetition waits at most so long for one that died. */
const leaseMs = 120_000
const keptMs = 24 * 3_600_000

/** Reads the bodies of POSTs, and answers repetitions: what is kept is what was sent. Only on routes that take a body. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(HttpPatience) private readonly patience: HttpPatience,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const rule = this.reflector.get<BodyRule | undefined>(bodyKey, context.getHandler())
    assert(rule !== undefined, 'only routes that take a body are intercepted')
    return from(this.once(context, rule, () => lastValueFrom<unknown>(next.handle())))
  }

  private async once(context: ExecutionContext, rule: BodyRule, work: () => Promise<unknown>): Promise<unknown> {
    const request = context.switchToHttp().getRequest<ViewedRequest>()
    const response = context.switchToHttp().getResponse<Response>()
    const { viewer } = request
    assert(viewer !== undefined, 'a POST is behind the guard')
    const used = { tokenId: viewer.tokenId, key: keyOf(request) }
    const bytes = await readBody(request, rule, this.patience.bodyMs)
    if (rule.mediaType === 'application/json') request.body = parseJson(bytes)
    else request.document = bytes
    const before = await this.begin(used, sha256Hex(Buffer.concat([Buffer.from(`${request.method} ${request.path}\n`), bytes])))
    if (before !== null) {
      response.status(before.status).setHeader('idempotency-replayed', 'true')
      return JSON.parse(before.answer) as unknown
    }
    return this.answer(used, response, work)
  }

  private async answer(used: UsedKey, response: Response, work: () => Promise<unknown>): Promise<unknown> {
    try {
      const answered = await work()
      // If we stop before this, the lease runs out, and the work is found done.
      await this.database.query((db) => answerKey(db, used, { status: response.statusCode, answer: JSON.stringify(answered) }))
      return answered
    } catch (error) {
      await this.database.query((db) => releaseKey(db, used))
      throw error
    }
  }

  /** @returns the answer that there is; null when the work is ours. */
  private async begin(used: UsedKey, requestDigest: string): Promise<{ readonly status: number; readonly answer: string } | null> {
    const now = this.clock.now()
    const until = new Date(now.getTime() + leaseMs)
    const row = { ...used, requestDigest, leaseUntil: until, expiresAt: new Date(now.getTime() + keptMs) }
    return this.database.transaction(async (tx) => {
      await sweepKeys(tx, now)
      if (await insertKey(tx, row)) return null
      const before = await findKey(tx, used)
      if (before === null) throw busy(now, until)
      if (before.requestDigest !== requestDigest) {
        throw new EscrowError('IDEMPOTENCY_REUSED', 'expected the request that this idempotency key was used for')
      }
      const answer = answerOf(before)
      if (answer === null && !(await takeOverKey(tx, used, { now, until }))) throw busy(now, before.leaseUntil)
      return answer
    })
  }
}

function answerOf({ status, answer }: IdempotencyRow): { readonly status: number; readonly answer: string } | null {
  return status === null || answer === null ? null : { status, answer }
}

function busy(now: Date, until: Date): EscrowError {
  const retryAfterSeconds = Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000))
  return new EscrowError('IDEMPOTENCY_BUSY', 'the first request with this key is at work', { details: { retryAfterSeconds } })
}

function keyOf(request: ViewedRequest): string {
  const key = request.headers['idempotency-key']
  if (typeof key === 'string' && keyPattern.test(key)) return key
  throw new EscrowError('IDEMPOTENCY_KEY', 'expected a header Idempotency-Key with 16 to 128 letters, digits, - or _')
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch (cause) {
    throw new EscrowError('BODY_INVALID', 'expected JSON in UTF-8', { cause })
  }
}
