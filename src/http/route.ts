/** What routes say of themselves: who may ask, what they answer, in which words. Guard, serializer and OpenAPI document read the same. */
import { applyDecorators, createParamDecorator, HttpCode, SerializeOptions, SetMetadata, type ExecutionContext } from '@nestjs/common'
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiHeader, ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger'
import type { Request } from 'express'
import type { z } from 'zod'
import { assert } from '../core/errors.js'
import { jsonBodyBytesMax, signedDocumentBytesMax } from '../core/limits.js'
import type { Role } from '../format/agreement.js'
import { signedDocumentType } from './media-type.js'
import type { Viewer } from './viewer.js'

/** Who may use a route: nobody has to say who it is, or one of these roles. */
export type Access = 'open' | readonly Role[]
/** What a route takes: the media type, and how much of it. */
export interface BodyRule {
  readonly mediaType: 'application/json' | 'application/octet-stream' | 'application/vnd.git-lfs+json' | typeof signedDocumentType
  readonly bytesMax: number
}

export const accessKey = Symbol('access')
export const bodyKey = Symbol('body')
export const passwordKey = Symbol('password')

/** Without a token. */
export const Open = () => SetMetadata(accessKey, 'open' satisfies Access)

/** Only for these roles; every role of an agreement when a route says nothing. */
export const Only = (...roles: readonly Role[]) => SetMetadata(accessKey, roles satisfies Access)

/** With the token as the password of HTTP Basic, under any name: what git and git-lfs can send. */
export const ByPassword = () => SetMetadata(passwordKey, true)

/** What a route answers. Whatever the schema does not name does not leave. */
export const Answers = (schema: z.ZodType, summary: string) =>
  applyDecorators(ApiOperation({ summary }), ApiOkResponse({ standardSchema: schema }), SerializeOptions({ schema }), ApiBearerAuth())

/** A route that answers with bytes. */
export const AnswersBytes = (mediaType: string, summary: string) =>
  applyDecorators(
    ApiOperation({ summary }),
    ApiProduces(mediaType),
    ApiOkResponse({ content: { [mediaType]: { schema: { type: 'string', format: 'binary' } } } }),
    ApiBearerAuth(),
  )

const idempotent = () =>
  applyDecorators(
    HttpCode(200),
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

/** A request of somebody whom the guard has let in. */
export type ViewedRequest = Request & { viewer?: Viewer; document?: Uint8Array }

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
