import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Stands on loopback before a server. Open, everything goes through; shut, the server is away; held, it has fallen silent. */
export class TcpGate {
  readonly #sockets = new Set<Socket>()
  #waiting: (() => void)[] = []
  #state: 'open' | 'held' | 'shut' = 'open'
  #bytesLeft = Infinity

  private constructor(private readonly server: Server) {}

  /** @param url - of the server behind it. */
  static async before(url: string): Promise<TcpGate> {
    const { hostname, port } = new URL(url)
    const server = createServer()
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const gate = new TcpGate(server)
    server.on('connection', (socket) => gate.#join(socket, connect(Number(port), hostname)))
    return gate
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Whether it holds something back at the moment. */
  get holds(): boolean {
    return this.#state === 'held' && this.#waiting.length > 0
  }

  /** Let so many more bytes through to the server; then hold back everything, in both directions, on old and new connections. */
  holdAfter(bytes: number): void {
    this.#bytesLeft = bytes
  }

  /** Cut every connection, and refuse new ones. */
  shut(): void {
    this.#state = 'shut'
    this.#waiting = []
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Let everything through, first what was held back. */
  open(): void {
    ;[this.#state, this.#bytesLeft] = ['open', Infinity]
    for (const pass of this.#waiting.splice(0)) pass()
  }

  async close(): Promise<void> {
    this.shut()
    await new Promise((resolve) => void this.server.close(resolve))
  }

  #join(near: Socket, far: Socket): void {
    near.on('data', (chunk) => this.#count(chunk.length))
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (chunk) => this.#pass(() => void to.write(chunk)))
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    if (this.#state === 'shut') near.destroy()
  }

  #count(bytes: number): void {
    this.#bytesLeft -= bytes
    if (this.#bytesLeft < 0 && this.#state === 'open') this.#state = 'held'
  }

  #pass(pass: () => void): void {
    if (this.#state === 'held') this.#waiting.push(pass)
    else pass()
  }
}
