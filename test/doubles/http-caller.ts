import type { INestApplicationContext } from '@nestjs/common'
import type { NestExpressApplication } from '@nestjs/platform-express'
import request, { type Response } from 'supertest'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import type { Party } from '../../src/format/agreement.js'
import { signedDocumentType } from '../../src/http/media-type.js'

/** What a problem says. */
export interface ProblemBody {
  readonly code: string
  readonly status: number
  readonly detail: string
}

/** Somebody with a token (or without one) in front of a server. */
export class HttpCaller {
  private keys = 0

  constructor(
    private readonly app: INestApplicationContext,
    readonly token: string | null,
    private readonly name = 'nobody',
  ) {}

  /** With a fresh token for a card. */
  static async as(app: INestApplicationContext, card: Party): Promise<HttpCaller> {
    const { token } = await app.get(CreateToken).run({ card, label: card.party, days: 300 })
    return new HttpCaller(app, token, card.party)
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.send(request(this.server).get(path).set(headers), path)
  }

  /** GET that must succeed, with its JSON. */
  async json<T>(path: string): Promise<T> {
    const answer = await this.get(path)
    if (answer.status !== 200) throw new Error(`GET ${path} as ${this.name}: ${answer.status} ${answer.text}`)
    return answer.body as T
  }

  /** Send a signed document; as text, because superagent would wrap bytes of a JSON type. @param key - the idempotency key; a fresh one when left out. */
  document(path: string, bytes: Uint8Array, key = this.freshKey()): Promise<Response> {
    return this.send(
      request(this.server)
        .post(path)
        .set('content-type', signedDocumentType)
        .set('idempotency-key', key)
        .send(Buffer.from(bytes).toString('utf8')),
    )
  }

  /** Send JSON. */
  post(path: string, body: unknown, key = this.freshKey()): Promise<Response> {
    return this.send(
      request(this.server)
        .post(path)
        .set('idempotency-key', key)
        .send(body as object),
    )
  }

  freshKey(): string {
    this.keys += 1
    return `${this.name}-${String(this.keys).padStart(16, '0')}`
  }

  private get server(): ReturnType<NestExpressApplication['getHttpServer']> {
    return (this.app as NestExpressApplication).getHttpServer()
  }

  /** Send bytes of any type. */
  bytes(path: string, mediaType: string, bytes: Uint8Array, key = this.freshKey(), method: 'post' | 'put' = 'post'): Promise<Response> {
    return this.send(
      request(this.server)[method](path).set('content-type', mediaType).set('idempotency-key', key).send(Buffer.from(bytes)),
      path,
    )
  }

  /** git knows passwords, not bearer tokens. */
  private send(asked: request.Test, path = ''): Promise<Response> {
    if (this.token === null) return asked.then()
    return (path.startsWith('/git/') ? asked.auth('git', this.token) : asked.set('authorization', `Bearer ${this.token}`)).then()
  }
}
