import { AsyncLocalStorage } from 'node:async_hooks'
import { assert } from '../core/errors.js'

interface Scope {
  open: boolean
}

/**
 * Knows whether the running code is inside a transaction or query of one database, across awaits.
 *
 * A second handle inside a transaction would deadlock where there is one connection, and would see other rows where there are
 * many. Both are bugs of ours, so they die at once and on every adapter alike.
 */
export class HandleScope {
  readonly #running = new AsyncLocalStorage<Scope>()
  #open = 0

  /**
   * Run with a lent handle.
   *
   * @throws BugError when the caller already runs with one.
   */
  async enter<T>(run: () => Promise<T>): Promise<T> {
    this.requireOutside()
    const scope: Scope = { open: true }
    this.#open += 1
    try {
      return await this.#running.run(scope, run)
    } finally {
      // What was started in the scope but not awaited may go on after it; then it is outside.
      scope.open = false
      this.#open -= 1
      // While it is enabled, every promise of the process costs more: measured, a tenth of a read over HTTP.
      if (this.#open === 0) this.#running.disable()
    }
  }

  /** @throws BugError when the caller runs with a lent handle. */
  requireOutside(): void {
    assert(
      this.#running.getStore()?.open !== true,
      'a database handle was asked for inside a query or transaction; use the one that was lent',
    )
  }
}
