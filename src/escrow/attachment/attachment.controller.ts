// Attachments over the network: an age file in pieces, then one request that stores it. Every request may be sent again.
import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common'
import type { Request } from 'express'
import { z } from 'zod'
import { EscrowError } from '../../core/errors.js'
import { jsonBodyBytesMax } from '../../core/http-limits.js'
import { InventoryAttachment } from '../../format/attachment.js'
import { Slug } from '../../format/ids.js'
import { readBody } from '../../http/read-body.js'
import { Answers, Asking, Only } from '../../http/route.js'
import type { Viewer } from '../../http/viewer.js'
import { takePiece } from '../push/push-body.js'
import { TakeAttachment, type AttachmentWord } from './take-attachment.js'

const Address = z.object({ agreement: z.string().max(100), source: Slug, digest: z.string().max(64) })
const Piece = z.object({ offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0) })
const Arrived = z.object({ sizeBytes: z.number(), held: z.boolean() }).meta({ id: 'ArrivedAttachment' })
const Taken = z.object({ sizeBytes: z.number(), waitUntil: z.string() }).meta({ id: 'TakenAttachment' })
const Word = z.strictObject({ entry: InventoryAttachment.optional(), epoch: z.number().int().min(1).optional() })

/** Takes attachments that their depositors have sealed. */
@Controller('v1/agreements/:agreement/sources/:source/attachments/:digest')
export class AttachmentController {
  constructor(@Inject(TakeAttachment) private readonly attachments: TakeAttachment) {}

  @Get()
  @Only('depositor')
  @Answers(Arrived, 'How much of an attachment has arrived: where to go on. The digest is that of the age file.')
  async arrived(@Asking() viewer: Viewer, @Param({ schema: Address }) address: z.infer<typeof Address>): Promise<z.infer<typeof Arrived>> {
    return this.attachments.arrived(viewer, address)
  }

  @Post('pieces')
  @HttpCode(200)
  @Only('depositor')
  @Answers(Arrived, 'A piece of an attachment, from `offset` on; application/octet-stream.')
  async append(
    @Asking() viewer: Viewer,
    @Param({ schema: Address }) address: z.infer<typeof Address>,
    @Query({ schema: Piece }) { offset }: z.infer<typeof Piece>,
    @Req() request: Request,
  ): Promise<z.infer<typeof Arrived>> {
    return takePiece(request, (bytes) => this.attachments.append(viewer, address, offset, bytes))
  }

  @Post('received')
  @HttpCode(200)
  @Only('depositor')
  @Answers(Taken, 'Store an attachment that has arrived whole. JSON: its `epoch` and its `entry` of the inventory; {} for sealed sources.')
  async received(
    @Asking() viewer: Viewer,
    @Param({ schema: Address }) address: z.infer<typeof Address>,
    @Req() request: Request,
  ): Promise<z.infer<typeof Taken>> {
    const word = wordIn(await readBody(request, { mediaType: 'application/json', bytesMax: jsonBodyBytesMax }))
    const { sizeBytes, waitUntil } = await this.attachments.finish(viewer, address, word)
    return { sizeBytes, waitUntil: waitUntil.toISOString() }
  }
}

function wordIn(bytes: Uint8Array): AttachmentWord {
  const invalid = (cause?: unknown) => new EscrowError('BODY_INVALID', 'expected an epoch, and the entry of an attached file', { cause })
  try {
    const { entry, epoch } = Word.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    if (entry?.kind === 'lfs') throw invalid()
    return { entry, epoch }
  } catch (error) {
    throw error instanceof EscrowError ? error : invalid(error)
  }
}
