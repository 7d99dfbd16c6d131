// `git push` over smart HTTP (gitprotocol-http). There is no repository behind it: see `push-plan.ts`.
import { Controller, Get, Inject, Param, Post, Query, Req, Res, UseFilters } from '@nestjs/common'
import { ApiExcludeController } from '@nestjs/swagger'
import type { Request, Response } from 'express'
import { EscrowError } from '../../core/errors.js'
import { advertiseRefs, type PushRequest } from '../../git/receive-pack.js'
import { writeBlocks } from '../../git/write-blocks.js'
import { GitProblemFilter } from '../../http/git-problem.filter.js'
import { problemOf } from '../../http/problem.js'
import { RequestLog, requestIdOf } from '../../http/request-log.js'
import { Asking, ByPassword, Only } from '../../http/route.js'
import type { Viewer } from '../../http/viewer.js'
import { FinishPush } from './finish-push.js'
import { PushAnswer } from './push-answer.js'
import { PushDoor, type PushAddress, type PushSource } from './push-door.js'
import { PushIntake, type IncomingPush } from './push-intake.js'
import { refsToShow } from './push-plan.js'
import { ReceivePush } from './receive-push.js'

const service = 'git-receive-pack'

interface Taking {
  readonly source: PushSource
  readonly wanted: PushRequest
  readonly incoming: IncomingPush
}

/** Takes deposits by `git push`, with an API token as the password. */
@ApiExcludeController()
@Controller('git/:agreement/:repository')
@UseFilters(GitProblemFilter)
export class PushController {
  constructor(
    @Inject(PushDoor) private readonly door: PushDoor,
    @Inject(ReceivePush) private readonly receive: ReceivePush,
    @Inject(FinishPush) private readonly finish: FinishPush,
    @Inject(PushIntake) private readonly intake: PushIntake,
    @Inject(RequestLog) private readonly log: RequestLog,
  ) {}

  @Get('info/refs')
  @Only('depositor')
  @ByPassword()
  async advertise(
    @Asking() viewer: Viewer,
    @Param() address: PushAddress,
    @Query('service') asked: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const source = await this.door.open(viewer, address)
    if (asked !== service) throw noFetch()
    const basis = await this.door.basis(source)
    const version = /(?:^|:)version=1(?:$|:)/.test(String(request.headers['git-protocol'] ?? '')) ? 1 : 0
    const { objectFormat } = basis
    const blocks = advertiseRefs({ objectFormat, refs: refsToShow(basis), version, agent: this.door.software })
    response.status(200).type(`application/x-${service}-advertisement`).setHeader('cache-control', 'no-store')
    await writeBlocks(response, blocks)
    response.end()
  }

  @Post('git-receive-pack')
  @Only('depositor')
  @ByPassword()
  async push(@Asking() viewer: Viewer, @Param() address: PushAddress, @Req() request: Request, @Res() response: Response): Promise<void> {
    if (request.headers['content-type'] !== `application/x-${service}-request`) {
      throw new EscrowError('MEDIA_TYPE_INVALID', `expected a body of the type application/x-${service}-request`)
    }
    const source = await this.door.open(viewer, address)
    const incoming = this.intake.open(request)
    try {
      const { objectFormat } = await this.door.basis(source, incoming.signal)
      const wanted = await incoming.names(objectFormat)
      response.status(200).type(`application/x-${service}-result`).setHeader('cache-control', 'no-store')
      // Before a pack of unknown length git asks with nothing at all whether it may send it.
      if (wanted.commands.length === 0) response.end()
      else await this.take({ source, wanted, incoming }, request, response)
    } finally {
      incoming.close()
    }
  }

  @Post('git-upload-pack')
  @Only('depositor')
  @ByPassword()
  fetch(): never {
    throw noFetch()
  }

  private async take({ source, wanted, incoming }: Taking, request: Request, response: Response): Promise<void> {
    const answer = new PushAnswer(response, wanted)
    const push = { source, request: wanted, pack: () => incoming.pack(), onProgress: answer.progress.bind(answer) }
    try {
      const mirrored = await this.receive.run(push, incoming.signal)
      await incoming.finish(response)
      answer.end({ mirrored, receipt: await this.finish.run(mirrored) })
    } catch (error) {
      await incoming.finish(response)
      const problem = problemOf(error, requestIdOf(request))
      if (problem.status >= 500) this.log.fault(request, error)
      answer.refuse(problem)
    }
  }
}

function noFetch(): EscrowError {
  return new EscrowError(
    'PUSH_REFUSED',
    'this address takes deposits by git push and gives nothing back: what is sealed opens with the vault',
  )
}
