import type { ClientRequest } from 'node:http'

interface Waiting {
  readonly requests: Set<ClientRequest>
  readonly abort: () => void
}

/**
 * Requests under way, by the signal that ends them. A signal has one listener of ours, however many requests wait for their answers: node gives
 * each request one of its own, and a deposit that stores ten objects at once then looks to it like a leak.
 */
export class RequestsUnderWay {
  readonly #waiting = new Map<AbortSignal, Waiting>()

  /** End a request, and the answer that it is being given, when its signal is aborted. */
  add(signal: AbortSignal, request: ClientRequest): void {
    if (signal.aborted) {
      request.destroy(abortError(signal))
      return
    }
    const { requests } = this.#waiting.get(signal) ?? this.#listen(signal)
    requests.add(request)
    request.once('close', () => {
      requests.delete(request)
      if (requests.size === 0) this.#forget(signal)
    })
  }

  #listen(signal: AbortSignal): Waiting {
    const requests = new Set<ClientRequest>()
    const abort = () => {
      for (const request of requests) request.destroy(abortError(signal))
    }
    const waiting = { requests, abort }
    signal.addEventListener('abort', abort, { once: true })
    this.#waiting.set(signal, waiting)
    return waiting
  }

  #forget(signal: AbortSignal): void {
    const waiting = this.#waiting.get(signal)
    if (waiting === undefined || waiting.requests.size > 0) return
    signal.removeEventListener('abort', waiting.abort)
    this.#waiting.delete(signal)
  }
}

function abortError(signal: AbortSignal): Error {
  return Object.assign(new Error('the request was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' })
}
