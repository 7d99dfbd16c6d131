/**
 * PORT: the unlocked place beside a replica, for what must change: the log's checkpoint and its partial tiles. Names are
 * slash-separated and relative. Whatever lies here can be made again from the locked objects.
 */
export abstract class LogHeadStore {
  /** The bytes under a name, or null when there are none. @throws EscrowError `STORE_UNREACHABLE` */
  abstract read(name: string, signal?: AbortSignal): Promise<Uint8Array | null>
  /** Replace the bytes under a name, whole or not at all. @throws EscrowError `STORE_UNREACHABLE` */
  abstract write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>
}
