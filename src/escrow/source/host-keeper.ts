import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../../core/environment.js'
import { isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { EscrowOptions } from '../escrow-options.js'
import { leaveHost, renewHost, tryTakeHost, type HostSlot } from './host.table.js'

const minuteMs = 60_000
/** How much of a minute's visits may come at once. */
const burstPart = 4

/** Keeps the service from being a burden to a host, however many workers there are: a few visits at once, and so many a minute. */
@Injectable()
export class HostKeeper {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Do something with a host when its budget allows.
   *
   * @param host - as its URL names it, in lower case.
   * @returns what the work returns; null when it was not begun, because the host has enough to do.
   */
  async visit<T extends object>(host: string, work: () => Promise<T>): Promise<T | null> {
    const slot = await this.take(host)
    if (slot === null) return null
    const timer = setInterval(() => void this.quietly((now) => this.renew(slot, now)), this.options.leaseMs / 3)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      // A slot that cannot be given back lapses by itself.
      await this.quietly((now) => this.database.query((db) => leaveHost(db, slot, now)))
    }
  }

  private async take(host: string): Promise<HostSlot | null> {
    const now = this.clock.now()
    const { atOnce, perMinute } = this.options.hosts
    // A process does several visits at once, so its own name would not do.
    const holder = `${this.options.holder}/${Buffer.from(this.entropy.bytes(6)).toString('hex')}`
    const pace = { everyMs: Math.ceil(minuteMs / perMinute), burst: Math.max(1, Math.ceil(perMinute / burstPart)) }
    const wish = { host, holder, now, expiresAt: this.expiryFrom(now), atOnce, ...pace }
    return this.database.transaction((tx) => tryTakeHost(tx, wish))
  }

  private renew(slot: HostSlot, now: Date): Promise<void> {
    return this.database.query((db) => renewHost(db, slot, this.expiryFrom(now)))
  }

  /** The lease of the source protects the deposit; a slot only spares the host. */
  private async quietly(work: (now: Date) => Promise<void>): Promise<void> {
    try {
      await work(this.clock.now())
    } catch (error) {
      if (!isEscrowError(error)) throw error
    }
  }

  private expiryFrom(now: Date): Date {
    return new Date(now.getTime() + this.options.leaseMs)
  }
}
