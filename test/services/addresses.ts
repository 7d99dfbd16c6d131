/** Addresses of the servers that `npm run test:services` starts, or that the environment names instead. */
const names = {
  /** `postgres://user@host:port/database`, a database that tests may empty. */
  postgres: 'ESCROW_TEST_POSTGRES_URL',
  /** `redis://host:port/0`, a Redis that tests may flush. */
  redis: 'ESCROW_TEST_REDIS_URL',
  /** `http://host:port`, an S3 with object lock in which tests may make buckets that nobody can remove for days. */
  s3: 'ESCROW_TEST_S3_URL',
  s3AccessKey: 'ESCROW_TEST_S3_ACCESS_KEY',
  s3SecretKey: 'ESCROW_TEST_S3_SECRET_KEY',
  /** `smtp://user:password@host:port`, a mail server that demands TLS and the password (`mail.py`). */
  smtp: 'ESCROW_TEST_SMTP_URL',
  /** Where that server puts what it takes, a file of JSON for each message. */
  mailFolder: 'ESCROW_TEST_MAIL_FOLDER',
} as const

/**
 * The address of a server, or a key to it.
 *
 * @throws Error when it is not set: in `test:services` a missing service is a failure, not a skip.
 */
export function serviceAddress(service: keyof typeof names): string {
  const address = process.env[names[service]]
  if (address === undefined || address === '') throw new Error(`${names[service]} is not set; run npm run test:services`)
  return address
}
