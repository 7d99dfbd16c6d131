import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import {
  bundleHeaderBytesMax,
  inventoryBytesMax,
  offersPerSourceMax,
  partBytes,
  partsMax,
  signedDocumentBytesMax,
  uploadLeaseMs,
} from '../../core/limits.js'
import type { Viewer } from '../../http/viewer.js'
import { parseObjectKey, type ObjectKey } from '../../store/object-key.js'
import { OfferInbox, type ArrivedFile } from '../../store/offer-inbox.js'
import { Agent } from '../agent.js'
import { FinishPush } from '../push/finish-push.js'
import { PushDoor } from '../push/push-door.js'
import { ReceiveDeposit } from './receive-deposit.js'
import { depositIdOf } from '../../format/ids.js'

/** Which offer: the source, and the attempt that its files are named after. */
export interface OfferAddress {
  readonly agreement: string
  readonly source: string
  readonly attempt: string
}

/** One piece of one file. */
export interface OfferPiece {
  /** `0000000007-incremental`. */
  readonly folder: string
  readonly name: string
  readonly offset: number
}

/** What an offer has become. */
export interface TakenOffer {
  readonly depositId: string
  readonly sequence: number
  /** The manifest with the agent's signature: the depositor's next deposit rests on it. */
  readonly accepted: Uint8Array
  /** Digest of the receipt; null while the log keeps it waiting. */
  readonly receipt: string | null
}

const folderPattern = /^\d{10}-(?:full|incremental)$/

/** Takes a deposit that its depositor sealed and sends in pieces. Nothing here can be opened by us, and nothing is believed before it is whole. */
@Injectable()
export class TakeOffer {
  constructor(
    @Inject(OfferInbox) private readonly inbox: OfferInbox,
    @Inject(PushDoor) private readonly door: PushDoor,
    @Inject(ReceiveDeposit) private readonly receive: ReceiveDeposit,
    @Inject(FinishPush) private readonly finish: FinishPush,
    @Inject(Agent) private readonly agent: Agent,
  ) {}

  /** What has arrived. @throws EscrowError `NOT_FOUND`, `PUSH_REFUSED`, `VAULT_NOT_ARMED` */
  async arrived(viewer: Viewer, address: OfferAddress): Promise<readonly ArrivedFile[]> {
    return this.inbox.list(await this.enter(viewer, address))
  }

  /**
   * Take a piece.
   *
   * @returns the size of the file with it.
   * @throws EscrowError `OFFER_OFFSET`, `DEPOSIT_TOO_LARGE`, `ARGUMENT_INVALID` for a file that no deposit has; as `arrived`
   */
  async append(viewer: Viewer, address: OfferAddress, piece: OfferPiece, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const offer = await this.enter(viewer, address)
    const sizeBytesMax = sizeMaxOf(piece.name, address.attempt, this.agent.options.packBytesMax)
    if (piece.offset === 0) await this.makeRoom(address, offer)
    return this.inbox.append(offer, { key: keyOf(address, piece), offset: piece.offset, sizeBytesMax, bytes })
  }

  /**
   * Receive an offer that has arrived whole. Idempotent: what was received before gives the same answer.
   *
   * @throws EscrowError as `ReceiveDeposit.run`. What can never become a deposit is forgotten, so that it can be sent anew.
   */
  async finishOffer(viewer: Viewer, address: OfferAddress, signal?: AbortSignal): Promise<TakenOffer> {
    const offer = await this.enter(viewer, address)
    try {
      const received = await this.receive.run(this.inbox.open(offer), undefined, signal)
      const { digest, place } = received.offer
      const depositId = depositIdOf(digest)
      // No other can follow what this one follows.
      for (const other of await this.others(address, offer)) await this.inbox.remove(other)
      // The offer stays until it is swept: the answer may be lost, and then this is asked again.
      return { depositId, sequence: place.sequence, accepted: received.accepted, receipt: await this.finish.receiptOf(depositId) }
    } catch (error) {
      if (
        isEscrowError(error) &&
        /^(?:FORMAT|SIGNATURE|STATEMENT|OBJECT_CORRUPT|AGREEMENT_DIGEST|RECIPIENT|DEPOSIT_STATE)/.test(error.code)
      ) {
        await this.inbox.remove(offer)
      }
      throw error
    }
  }

  /**
   * A depositor sends while it seals, and begins again with another attempt when that fails: what it has not added to for longest is forgotten, so
   * that it never fills our disk and never waits for its own leavings.
   */
  private async makeRoom(address: OfferAddress, offer: string): Promise<void> {
    await this.door.requireRoom({ agreementId: address.agreement })
    await this.inbox.sweep(new Date(this.agent.clock.now().getTime() - uploadLeaseMs), offer)
    const others = (await this.others(address, offer)).map(async (name) => ({
      name,
      addedTo: (await this.inbox.addedTo(name))?.getTime() ?? 0,
    }))
    const newestFirst = (await Promise.all(others)).toSorted((left, right) => right.addedTo - left.addedTo)
    for (const { name } of newestFirst.slice(offersPerSourceMax - 1)) await this.inbox.remove(name)
  }

  private async others({ agreement, source }: OfferAddress, offer: string): Promise<readonly string[]> {
    const names = await this.inbox.offers(`${agreement}-${source}-`)
    // A source may be named like the beginning of another.
    return names.filter((name) => name !== offer && name.length === offer.length)
  }

  /** Only its depositor finds an offer, and one attempt is one folder. */
  private async enter(viewer: Viewer, { agreement, source, attempt }: OfferAddress): Promise<string> {
    if (!/^[a-z2-7]{20}$/.test(attempt)) throw new EscrowError('ARGUMENT_INVALID', 'expected an attempt of 20 characters of a-z2-7')
    const { key } = await this.door.openSealed(viewer, { agreement, source })
    return `${key.agreementId}-${key.source}-${attempt}`
  }
}

function keyOf({ agreement, source }: OfferAddress, { folder, name }: OfferPiece): ObjectKey {
  if (!folderPattern.test(folder)) throw new EscrowError('ARGUMENT_INVALID', 'expected a folder like 0000000007-incremental')
  return parseObjectKey(`agreements/${agreement}/sources/${source}/${folder}/${name}`)
}

function sizeMaxOf(name: string, attempt: string, packBytesMax: number): number {
  // Age adds one part in 4096.
  const envelopeBytesMax = Math.ceil((packBytesMax + bundleHeaderBytesMax) * (1 + 1 / 4096)) + inventoryBytesMax / 256
  const limits: Readonly<Record<string, number>> = {
    'manifest.json': signedDocumentBytesMax,
    'deposit-statement.json': signedDocumentBytesMax,
    [`${attempt}.bundle.age`]: Math.min(partBytes * partsMax, envelopeBytesMax),
    [`${attempt}.inventory.age`]: inventoryBytesMax,
    [`${attempt}.known-objects`]: inventoryBytesMax,
  }
  const limit = limits[name]
  if (limit === undefined) throw new EscrowError('ARGUMENT_INVALID', 'expected the name of a file of this attempt')
  return limit
}
