/** What routes say of themselves: who may ask, what they answer, in which words. Guard, answers and OpenAPI document come from the same. */
import { applyDecorators, createParamDecorator, HttpCode, SetMetadata, UseInterceptors, type ExecutionContext } from '@nestjs/common'
import { ApiBody, ApiConsumes, ApiHeader, ApiOkResponse, ApiOperation, ApiParam, ApiProduces, ApiSecurity } from '@nestjs/swagger'
import type { z } from 'zod'
import { assert } from '../core/errors.js'
import { jsonBodyBytesMax } from '../core/http-limits.js'
import { signedDocumentBytesMax } from '../core/limits.js'
import type { Role } from '../format/agreement.js'
import { bodyKey, type BodyRule } from './body-rule.js'
import { IdempotencyInterceptor } from './idempotency.interceptor.js'
import { signedDocumentType } from './media-type.js'
import type { ViewedRequest, Viewer } from './viewer.js'

/** Who may use a route: nobody has to say who it is, or one of these roles. */
export type Access = 'open' | readonly Role[]

export const accessKey = Symbol('access')
export const passwordKey = Symbol('password')

/** Without a token: the document demands one of every other route. */
export const Open = () => applyDecorators(SetMetadata(accessKey, 'open' satisfies Access), ApiSecurity({}))

/** Only for these roles; every role of an agreement when a route says nothing. */
export const Only = (...roles: readonly Role[]) => SetMetadata(accessKey, roles satisfies Access)

/** With the token as the password of HTTP Basic, under any name: what git and git-lfs can send. */
export const ByPassword = () => SetMetadata(passwordKey, true)

/** What a route answers. Whatever the schema does not name does not leave. */
export const Answers = (schema: z.ZodType, summary: string) =>
  applyDecorators(answersWith(schema), ApiOperation({ summary }), ApiOkResponse({ standardSchema: schema }))

/** The method itself gives what the schema lets through: an interceptor would cost each read as much as its query. */
function answersWith(schema: z.ZodType): MethodDecorator {
  return (_controller, name, descriptor: PropertyDescriptor) => {
    const work = descriptor.value as (...given: unknown[]) => unknown
    const answer = async function (this: unknown, ...given: unknown[]): Promise<unknown> {
      const { data, error } = schema.safeParse(await work.apply(this, given))
      assert(error === undefined, `an answer does not fit its schema: ${error?.issues[0]?.path.join('/')}: ${error?.issues[0]?.message}`)
      return data
    }
    descriptor.value = Object.defineProperty(answer, 'name', { value: name })
  }
}

/** A route that answers with bytes. */
export const AnswersBytes = (mediaType: string, summary: string) =>
  applyDecorators(
    ApiOperation({ summary }),
    ApiProduces(mediaType),
    ApiOkResponse({ content: { [mediaType]: { schema: { type: 'string', format: 'binary' } } } }),
  )

/** A parameter that is the rest of the path, slashes and all: Nest leaves it out of the document. */
export const TakesRest = (name: string, example: string) =>
  ApiParam({ name, description: 'The rest of the path: its slashes stay as they are.', schema: { type: 'string' }, example })

const idempotent = () =>
  applyDecorators(
    HttpCode(200),
    UseInterceptors(IdempotencyInterceptor),
    ApiHeader({ name: 'Idempotency-Key', required: true, schema: { type: 'string', minLength: 16, maxLength: 128 } }),
  )

/** A POST that takes a signed document as its body. */
export const TakesDocument = (bytesMax: number = signedDocumentBytesMax) =>
  applyDecorators(
    idempotent(),
    SetMetadata(bodyKey, { mediaType: signedDocumentType, bytesMax } satisfies BodyRule),
    ApiConsumes(signedDocumentType),
    ApiBody({ schema: { type: 'string', format: 'binary' } }),
  )

/** A POST that takes a file as its body. */
export const TakesFile = (bytesMax: number) =>
  applyDecorators(
    idempotent(),
    SetMetadata(bodyKey, { mediaType: 'application/octet-stream', bytesMax } satisfies BodyRule),
    ApiConsumes('application/octet-stream'),
    ApiBody({ schema: { type: 'string', format: 'binary' } }),
  )

/** A POST that takes JSON; its shape is in `@Body({ schema })`. */
export const TakesJson = (bytesMax: number = jsonBodyBytesMax) =>
  applyDecorators(idempotent(), SetMetadata(bodyKey, { mediaType: 'application/json', bytesMax } satisfies BodyRule))

/** Who asks. */
export const Asking = createParamDecorator((_: unknown, context: ExecutionContext): Viewer => {
  const { viewer } = context.switchToHttp().getRequest<ViewedRequest>()
  assert(viewer !== undefined, 'a route with a viewer is behind the guard')
  return viewer
})

/** The body of a route that takes a signed document. */
export const SentDocument = createParamDecorator((_: unknown, context: ExecutionContext): Uint8Array => {
  const { document } = context.switchToHttp().getRequest<ViewedRequest>()
  assert(document !== undefined, 'the body was read before')
  return document
})
