import { stringify } from 'yaml'
import type { z } from 'zod'
import type { ConfigFile } from './schema.js'

/**
 * The configuration that `escrow init` writes: everything in one home folder, two folders as replicas, nothing to install.
 *
 * Repositories on this machine are allowed, because whoever names sources here is its user; two folders on one disk are no two
 * replicas in different hands, which the README says.
 *
 * @returns the text of `escrow.yaml`.
 */
export function laptopConfig(operator: { readonly origin: string; readonly country: string; readonly control: string }): string {
  const { origin, country, control } = operator
  const folder = (name: string) => ({ kind: 'folder' as const, name, country, control, path: `replicas/${name}` })
  const file: z.input<typeof ConfigFile> = {
    origin,
    database: { kind: 'pglite', folder: 'db' },
    replicas: [folder('a'), folder('b')],
    scratch: { folder: 'scratch' },
    keysFolder: 'keys',
    remotes: { allowLocalPaths: true },
    log: { witnessQuorum: 0 },
    jurisdiction: { storeCountries: [country], storeControlExcluded: [] },
  }
  return `# The laptop footprint, written by \`escrow init\`. Every key is explained in config/escrow.example.yaml.\n${stringify(file)}`
}
