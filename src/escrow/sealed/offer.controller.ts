// Sealed deposits over the network: files in pieces, then one request that receives them. Every request may be sent again.
import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common'
import type { Request } from 'express'
import { z } from 'zod'
import { Slug } from '../../format/ids.js'
import { Answers, Asking, Only } from '../../http/route.js'
import type { Viewer } from '../../http/viewer.js'
import { takePiece } from '../push/push-body.js'
import { TakeOffer } from './take-offer.js'

const Address = z.object({ agreement: z.string().max(100), source: Slug, attempt: z.string().max(40) })
const FileAddress = Address.extend({ folder: z.string().max(40), name: z.string().max(100) })
const Piece = z.object({ offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0) })
const Arrived = z.object({ files: z.array(z.object({ key: z.string(), sizeBytes: z.number() })) }).meta({ id: 'ArrivedOffer' })
const Size = z.object({ sizeBytes: z.number() }).meta({ id: 'OfferedFile' })
const Taken = z
  .object({ depositId: z.string(), sequence: z.number(), accepted: z.string(), receipt: z.string().nullable() })
  .meta({ id: 'TakenOffer' })

/** Takes deposits that their depositors have sealed. */
@Controller('v1/agreements/:agreement/sources/:source/offers/:attempt')
export class OfferController {
  constructor(@Inject(TakeOffer) private readonly offers: TakeOffer) {}

  @Get()
  @Only('depositor')
  @Answers(Arrived, 'What has arrived of a sealed deposit: where to go on.')
  async arrived(@Asking() viewer: Viewer, @Param({ schema: Address }) address: z.infer<typeof Address>): Promise<z.infer<typeof Arrived>> {
    return { files: [...(await this.offers.arrived(viewer, address))] }
  }

  @Post('files/:folder/:name')
  @HttpCode(200)
  @Only('depositor')
  @Answers(Size, 'A piece of a file of a sealed deposit, from `offset` on; application/octet-stream.')
  async append(
    @Asking() viewer: Viewer,
    @Param({ schema: FileAddress }) { folder, name, ...address }: z.infer<typeof FileAddress>,
    @Query({ schema: Piece }) { offset }: z.infer<typeof Piece>,
    @Req() request: Request,
  ): Promise<z.infer<typeof Size>> {
    const sizeBytes = await takePiece(request, (bytes) => this.offers.append(viewer, address, { folder, name, offset }, bytes))
    return { sizeBytes }
  }

  @Post('received')
  @HttpCode(200)
  @Only('depositor')
  @Answers(Taken, 'Receive a sealed deposit that has arrived whole: the countersigned manifest in base64, and the digest of the receipt.')
  async received(@Asking() viewer: Viewer, @Param({ schema: Address }) address: z.infer<typeof Address>): Promise<z.infer<typeof Taken>> {
    const taken = await this.offers.finishOffer(viewer, address)
    return { ...taken, accepted: Buffer.from(taken.accepted).toString('base64') }
  }
}
