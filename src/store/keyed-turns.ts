/** Takes turns by name: work under one name runs one after the other, in the order asked; other names do not wait. */
export class KeyedTurns {
  private readonly last = new Map<string, Promise<unknown>>()

  /** Run `work` when all earlier work under this name has ended, well or badly. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(name) ?? Promise.resolve()
    const turn = before.then(work, work)
    const settled = turn.catch(() => undefined)
    this.last.set(name, settled)
    try {
      return await turn
    } finally {
      if (this.last.get(name) === settled) this.last.delete(name)
    }
  }
}
