import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common'
import type { Response } from 'express'
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { Sha256Hex } from '../format/ids.js'
import { formatNote } from '../format/note.js'
import { formatProof } from '../format/proof.js'
import { Answers, AnswersBytes, Open, TakesRest } from '../http/route.js'
import { sendBytes } from '../http/send-bytes.js'
import { LogFiles } from './log-files.js'
import { LogOptions } from './log-options.js'
import { LogReader } from './log-reader.js'
import { readLogState } from './log-state.js'
import { GrowthView, LogView } from './log.views.js'

const text = 'text/plain; charset=utf-8'
const ProofQuery = z.object({ under: z.enum(['newest', 'witnessed']).default('newest') })
const Size = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** The log as static files (c2sp.org/tlog-tiles), and proofs for who does not want to make them. It names nobody, so it is open. */
@Controller()
export class LogController {
  constructor(
    @Inject(LogReader) private readonly reader: LogReader,
    @Inject(LogFiles) private readonly files: LogFiles,
    @Inject(Database) private readonly database: Database,
    @Inject(LogOptions) private readonly options: LogOptions,
  ) {}

  @Get('log/checkpoint')
  @Open()
  @AnswersBytes('text/plain', 'The newest checkpoint with its cosignatures (c2sp.org/tlog-checkpoint).')
  async checkpoint(@Res() response: Response): Promise<void> {
    await this.send(response, 'checkpoint')
  }

  @Get('log/tile/*path')
  @Open()
  @TakesRest('path', '0/x001/234')
  @AnswersBytes('application/octet-stream', 'A tile or entry bundle (c2sp.org/tlog-tiles), like tile/0/x001/234 or tile/entries/000.p/7.')
  async tile(@Param('path') path: readonly string[] | string, @Res() response: Response): Promise<void> {
    await this.send(response, `tile/${typeof path === 'string' ? path : path.join('/')}`)
  }

  @Get('v1/log')
  @Open()
  @Answers(LogView, 'How far the log and its witnesses are.')
  async state(): Promise<z.input<typeof LogView>> {
    const { policy } = this.options
    const { witnesses, checkpointAt, ...state } = await readLogState(this.database, policy)
    return {
      origin: policy.origin,
      ...state,
      checkpointAt: checkpointAt?.toISOString() ?? null,
      witnessQuorum: policy.witnessQuorum,
      witnesses: witnesses.map(({ name, size, cosignedAt, failure }) => ({
        name,
        size,
        cosignedAt: cosignedAt?.toISOString() ?? null,
        failure: failure === null ? null : { code: failure.code, at: failure.at?.toISOString() ?? null, times: failure.times },
      })),
    }
  }

  @Get('v1/log/proofs/:leaf')
  @Open()
  @AnswersBytes('text/plain', 'The proof that a leaf is in the log (c2sp.org/tlog-proof); 404 while it is pending.')
  async proof(
    @Param('leaf', { schema: Sha256Hex }) leaf: string,
    @Query({ schema: ProofQuery }) query: z.infer<typeof ProofQuery>,
    @Res() response: Response,
  ): Promise<void> {
    const found = await this.reader.proveLeaf(leaf, query.under)
    if (found === null) throw new EscrowError('NOT_FOUND', `the leaf ${leaf} is not under such a checkpoint yet`)
    sendBytes(response, text, Buffer.from(formatProof(found.proof)))
  }

  @Get('v1/log/growth/:size')
  @Open()
  @Answers(GrowthView, 'The proof that the newest checkpoint extends an earlier tree (RFC 6962, section 2.1.2); hashes in base64.')
  async growth(@Param('size', { schema: Size }) oldSize: number): Promise<z.input<typeof GrowthView>> {
    const newest = await this.reader.checkpoint('newest')
    if (newest === null || oldSize > newest.size) throw new EscrowError('NOT_FOUND', `the log has no tree of ${oldSize} leaves yet`)
    const hashes = await this.reader.proveGrowth(oldSize, newest)
    const checkpoint = Buffer.from(formatNote(newest.note)).toString('utf8')
    return { oldSize, newSize: newest.size, hashes: hashes.map((hash) => Buffer.from(hash).toString('base64')), checkpoint }
  }

  private async send(response: Response, path: string): Promise<void> {
    const file = await this.files.read(path)
    if (file === null) throw new EscrowError('NOT_FOUND', 'the log has no such file')
    sendBytes(response, file.contentType, file.bytes, file.immutable ? 'forever' : 'public')
  }
}
