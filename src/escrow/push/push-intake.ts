import type { IncomingMessage, ServerResponse } from 'node:http'
import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import type { ObjectFormat } from '../../git/git-remote.js'
import { PacketReader } from '../../git/pkt-line.js'
import { readPushRequest, type PushRequest } from '../../git/receive-pack.js'
import { HttpPatience } from '../../http/patience.js'
import { Agent } from '../agent.js'
import { bodyOf, cutOff, drain } from './push-body.js'

/** Takes what clients push off the wire, within limits of time and size. */
@Injectable()
export class PushIntake {
  constructor(
    @Inject(HttpPatience) private readonly patience: HttpPatience,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** Begin to read a push; `close` ends it. @throws EscrowError `MEDIA_TYPE_INVALID` while it is read */
  open(request: IncomingMessage): IncomingPush {
    return new IncomingPush(request, this.patience, this.agent.options.packBytesMax)
  }
}

/** One push as it arrives: names first, then a pack. Everything in it is written by the client, which also sets the pace. */
export class IncomingPush {
  private readonly reader: PacketReader
  private readonly stop = new AbortController()
  private readonly timer: NodeJS.Timeout

  constructor(
    private readonly request: IncomingMessage,
    private readonly patience: Pick<HttpPatience, 'pushMs' | 'pushNamesMs'>,
    private readonly packBytesMax: number,
  ) {
    this.reader = new PacketReader(bodyOf(request))
    this.timer = setTimeout(() => this.cut('a push', patience.pushMs), patience.pushMs)
    request.once('close', this.onClose)
  }

  /** Ends when the client is gone before it has sent everything, or takes for ever. What has arrived whole is finished. */
  get signal(): AbortSignal {
    return this.stop.signal
  }

  /**
   * What the client asks for.
   *
   * @throws EscrowError `REQUEST_TIMEOUT`, and then the connection is closed, as with any other body that comes too slowly; `REMOTE_BROKEN`; as
   *   `readPushRequest`
   */
  async names(objectFormat: ObjectFormat): Promise<PushRequest> {
    const { pushNamesMs } = this.patience
    const timer = setTimeout(() => this.cut('the names of a push', pushNamesMs), pushNamesMs)
    try {
      return await readPushRequest(this.reader, objectFormat)
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Start to read the pack; called once at most, after `names`. */
  pack(): AsyncIterable<Uint8Array> {
    return this.reader.rest()
  }

  /**
   * Take off the wire what nobody has read: git reads an answer only after it has sent everything.
   *
   * @param response - a client that sends more than any pack is cut as soon as its answer is out.
   */
  async finish(response: ServerResponse): Promise<void> {
    if (await drain(this.reader.rest(), this.packBytesMax)) return
    response.once('finish', () => this.request.destroy())
  }

  /** Stop watching the client. */
  close(): void {
    clearTimeout(this.timer)
    this.request.off('close', this.onClose)
  }

  /** Whoever reads waits for the next byte, and looks at no signal meanwhile: only the connection wakes it. */
  private cut(what: string, limitMs: number): void {
    this.stop.abort(new EscrowError('REQUEST_TIMEOUT', `expected ${what} within ${limitMs / 60_000} minutes`))
    if (!this.request.complete) this.request.destroy()
  }

  private readonly onClose = (): void => {
    if (!this.request.complete) this.stop.abort(cutOff())
  }
}
