import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { monotonicMs } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { HttpOptions } from '../../http/http-options.js'
import { RateLimit } from '../../http/rate-limit.js'
import { accessKey, passwordKey, type Access } from '../../http/route.js'
import type { ViewedRequest } from '../../http/viewer.js'
import { CheckToken } from './check-token.js'

/** Lets in who brings a token of a role that the route is for. What it may see is decided where rows are read. */
@Injectable()
export class PartyGuard implements CanActivate {
  private readonly limit: RateLimit

  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(CheckToken) private readonly tokens: CheckToken,
    @Inject(HttpOptions) options: HttpOptions,
  ) {
    this.limit = new RateLimit(options.requestsPerMinute, monotonicMs)
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(accessKey, context.getHandler())
    if (access === 'open') return true
    const request = context.switchToHttp().getRequest<ViewedRequest>()
    const byPassword = this.reflector.get<true | undefined>(passwordKey, context.getHandler()) === true
    const { authorization } = request.headers
    const viewer = await this.tokens.run(byPassword ? passwordOf(authorization) : bearerOf(authorization))
    // Many addresses with one token count as one client too.
    this.limit.count(viewer.tokenId)
    if (access !== undefined && !access.includes(viewer.role)) {
      throw new EscrowError('ROLE_REFUSED', `expected a token of the role ${access.join(' or ')}, got ${viewer.role}`)
    }
    request.viewer = viewer
    return true
  }
}

function bearerOf(header: string | undefined): string {
  const token = /^Bearer ([A-Za-z0-9._~+/=-]{1,200})$/i.exec(header ?? '')?.[1]
  if (token === undefined) throw new EscrowError('TOKEN_INVALID', 'expected a header Authorization: Bearer and a token of this service')
  return token
}

/** Some give git a header instead: `http.extraHeader=Authorization: Bearer ...`. */
function passwordOf(header: string | undefined): string {
  if (/^Bearer /i.test(header ?? '')) return bearerOf(header)
  const credentials = /^Basic ([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(header ?? '')?.[1] ?? ''
  const [, token] = /^[^:]*:(.{1,200})$/.exec(Buffer.from(credentials, 'base64').toString('utf8')) ?? []
  if (token === undefined) throw new EscrowError('TOKEN_INVALID', 'expected a token of this service as the password, under any name')
  return token
}
