/** What the HTTP edge needs to know. Filled from the configuration in `options.module.ts`. */
export abstract class HttpOptions {
  abstract readonly host: string
  /** 0 for any free one. */
  abstract readonly port: number
  /** Proxies in front that write `X-Forwarded-For`; 0 when clients connect themselves. */
  abstract readonly trustedProxies: number
  /** Of one client. */
  abstract readonly requestsPerMinute: number
  /** Of this software, for the OpenAPI document. */
  abstract readonly version: string
}
