// The server of git LFS beside `git push`: objects come before the push whose pointers name them, and never leave by this way again.
import { Controller, Get, HttpCode, Inject, Param, Post, Put, Req, Res, UseFilters } from '@nestjs/common'
import { ApiExcludeController } from '@nestjs/swagger'
import type { Request, Response } from 'express'
import { EscrowError } from '../../core/errors.js'
import { lfsRequestBytesMax } from '../../core/limits.js'
import { Sha256Hex } from '../../format/ids.js'
import { LfsProblemFilter } from '../../http/lfs-problem.filter.js'
import { readBody } from '../../http/read-body.js'
import { Asking, ByPassword, Only } from '../../http/route.js'
import type { Viewer } from '../../http/viewer.js'
import { lfsMediaType, parseLfsRequest } from './lfs.views.js'
import { bodyOf } from '../push/push-body.js'
import { PushDoor, type PushAddress } from '../push/push-door.js'
import { ReceiveLfs } from './receive-lfs.js'

/** Takes LFS objects, with an API token as the password. */
@ApiExcludeController()
@Controller('git/:agreement/:repository/info/lfs')
@UseFilters(LfsProblemFilter)
export class LfsController {
  constructor(
    @Inject(PushDoor) private readonly door: PushDoor,
    @Inject(ReceiveLfs) private readonly lfs: ReceiveLfs,
  ) {}

  @Post('objects/batch')
  @HttpCode(200)
  @Only('depositor')
  @ByPassword()
  async batch(@Asking() viewer: Viewer, @Param() address: PushAddress, @Req() request: Request, @Res() response: Response): Promise<void> {
    const { key } = await this.door.open(viewer, address)
    await this.door.requireRoom(key)
    const batch = parseLfsRequest(await readBody(request, { mediaType: lfsMediaType, bytesMax: lfsRequestBytesMax }))
    const objects = await this.lfs.answer(key, batch, (oid) => `${addressOf(request)}/${oid}`)
    response.status(200).type(lfsMediaType).setHeader('cache-control', 'no-store')
    response.send(JSON.stringify({ transfer: 'basic', hash_algo: 'sha256', objects }))
  }

  @Put('objects/:oid')
  @Only('depositor')
  @ByPassword()
  async object(
    @Asking() viewer: Viewer,
    @Param() { oid, ...address }: PushAddress & { readonly oid: string },
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { key } = await this.door.open(viewer, address)
    if (!Sha256Hex.safeParse(oid).success) throw new EscrowError('NOT_FOUND', 'expected an LFS object by its SHA-256')
    const sizeBytes = Number(request.headers['content-length'] ?? Number.NaN)
    if (!Number.isSafeInteger(sizeBytes)) throw new EscrowError('BODY_INVALID', 'expected the header Content-Length')
    const stop = new AbortController()
    request.once('close', () => {
      if (!request.complete) stop.abort(new EscrowError('REMOTE_BROKEN', 'the connection was cut in the middle of an object'))
    })
    await this.lfs.receive(key, { sha256: oid, sizeBytes }, bodyOf(request), stop.signal)
    response.status(200).setHeader('cache-control', 'no-store')
    response.end()
  }

  @Get('locks')
  @Only('depositor')
  @ByPassword()
  locks(@Asking() viewer: Viewer, @Param() address: PushAddress): Promise<never> {
    return this.refuseLocks(viewer, address)
  }

  @Post(['locks', 'locks/verify', 'locks/:lock/unlock'])
  @Only('depositor')
  @ByPassword()
  lock(@Asking() viewer: Viewer, @Param() address: PushAddress): Promise<never> {
    return this.refuseLocks(viewer, address)
  }

  /** With this status git-lfs asks once, and shows the words to who wants a lock (git-lfs docs/api/locking.md). */
  private async refuseLocks(viewer: Viewer, { agreement, repository }: PushAddress): Promise<never> {
    await this.door.open(viewer, { agreement, repository })
    throw new EscrowError('NOT_FOUND', 'this address takes LFS objects and has no locks')
  }
}

/** Where the client has asked, as it named it: behind a proxy only the proxy knows the scheme. A client that lies sends to itself. */
function addressOf(request: Request): string {
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : request.protocol
  const path = request.originalUrl.split('?', 1)[0] ?? ''
  return `${scheme}://${request.headers.host ?? 'localhost'}${path.replace(/\/batch$/, '')}`
}
