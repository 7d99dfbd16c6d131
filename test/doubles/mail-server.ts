import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/** A mail server on loopback that speaks enough SMTP (RFC 5321) to take mail, and keeps what it got. */
export class MailServer {
  readonly got: { readonly from: string; readonly to: string; readonly text: string }[] = []
  /** Every command. */
  readonly heard: string[] = []
  /** Answer to RCPT. */
  recipient = '250 ok'
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => this.#talk(socket))
  }

  static async open(): Promise<MailServer> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new MailServer(server)
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.address() as AddressInfo).port}?ignoreTLS=true`
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #talk(socket: Socket): void {
    let [buffered, from, to, inText] = ['', '', '', false]
    const say = (line: string) => socket.write(`${line}\r\n`)
    const hear = (line: string): void => {
      const word = line.slice(0, 4).toUpperCase()
      this.heard.push(line)
      if (word === 'EHLO' || word === 'HELO') say('250-loopback\r\n250 AUTH PLAIN')
      else if (word === 'MAIL') [from] = [line, say('250 ok')]
      else if (word === 'RCPT') [to] = [line, say(this.recipient)]
      else if (word === 'DATA') [inText] = [true, say('354 go on')]
      else if (word === 'STAR') say('502 no TLS here')
      else if (word === 'QUIT') socket.end('221 bye\r\n')
      else say('250 ok')
    }
    say('220 loopback ESMTP')
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1')
      for (;;) {
        const end = buffered.indexOf(inText ? '\r\n.\r\n' : '\r\n')
        if (end < 0) return
        const part = buffered.slice(0, end)
        buffered = buffered.slice(end + (inText ? 5 : 2))
        if (!inText) hear(part)
        else {
          this.got.push({ from, to, text: part })
          inText = false
          say('250 taken')
        }
      }
    })
  }
}
