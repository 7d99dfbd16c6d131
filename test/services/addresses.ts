/** Addresses of the servers that `npm run test:services` starts, or that the environment names instead. */
const names = {
  /** `postgres://user@host:port/database`, a database that tests may empty. */
  postgres: 'ESCROW_TEST_POSTGRES_URL',
} as const

/**
 * The address of a server.
 *
 * @throws Error when it is not set: in `test:services` a missing service is a failure, not a skip.
 */
export function serviceAddress(service: keyof typeof names): string {
  const address = process.env[names[service]]
  if (address === undefined || address === '') throw new Error(`${names[service]} is not set; run npm run test:services`)
  return address
}
