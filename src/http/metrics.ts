import type { IncomingMessage, ServerResponse } from 'node:http'
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import { monotonicMs } from '../core/environment.js'

/** What Prometheus may read of this process. Its registry is its own: several services in one process do not mix. */
export class Metrics {
  readonly registry = new Registry()
  private readonly requests = new Histogram({
    name: 'escrow_http_request_seconds',
    help: 'How long requests took, by method, route and status.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'escrow_' })
  }

  /** Time a request. Its route, never its path: paths hold ids, and a label for each would fill the memory. */
  watch(request: IncomingMessage, response: ServerResponse): void {
    const startedMs = monotonicMs()
    response.on('finish', () => {
      const { route } = request as { readonly route?: { readonly path?: unknown } }
      const labels = {
        method: request.method ?? '',
        route: typeof route?.path === 'string' ? route.path : 'none',
        status: response.statusCode,
      }
      this.requests.observe(labels, (monotonicMs() - startedMs) / 1000)
    })
  }
}
