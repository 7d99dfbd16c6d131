import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'
import { EscrowError } from '../core/errors.js'

/**
 * Which network addresses a remote may have (against server-side request forgery).
 *
 * The URL of a source is written by a depositor, and the worker stands inside our network. So every address is checked at the moment
 * of connecting, on the very value that is connected to: a name that resolves differently a second later gains nothing. What this
 * trusts: the routing table. Source: IANA special-purpose address registries (RFC 6890), and the metadata services of the clouds.
 */

/** Resolves a name to addresses; the system's resolver unless a test says otherwise. */
export type Resolver = (hostname: string) => Promise<readonly string[]>

type AddressKind = 'public' | 'private' | 'forbidden'

/** Somebody's inner network: allowed only where the configuration says so. */
const innerNetworks = blockList(
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
)

/** Never a git server: this network, link-local with the clouds' metadata, documentation, benchmarks, multicast, reserved, Azure's wire server. */
const forbiddenV4 = blockList(
  ['0.0.0.0', 8, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
)

/** IPv6 is the other way round: only global unicast is public, which leaves out mapped addresses, NAT64, link-local and multicast. */
const globalV6 = blockList(['2000::', 3, 'ipv6'])
/** Within it: protocol assignments with Teredo, documentation, 6to4 (which carries any IPv4 address), and the metadata service of AWS. */
const forbiddenV6 = blockList(
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
  ['fd00:ec2::254', 128, 'ipv6'],
)

/**
 * Refuse an address that no remote may have.
 *
 * @param address - an IPv4 or IPv6 address in text, without brackets.
 * @param allowPrivate - also accept loopback, private and shared networks; link-local and metadata services stay refused.
 * @throws EscrowError `REMOTE_ADDRESS_REFUSED`
 */
export function checkAddress(address: string, allowPrivate: boolean): void {
  const kind = addressKind(address)
  if (kind === 'public' || (kind === 'private' && allowPrivate)) return
  throw new EscrowError('REMOTE_ADDRESS_REFUSED', `expected a public address, got ${isIP(address) === 0 ? 'something else' : address}`)
}

/**
 * The addresses of a host, each of them allowed.
 *
 * One refused address refuses the name: a server that is both outside and inside is not one we want to meet.
 *
 * @throws EscrowError `REMOTE_ADDRESS_REFUSED`; what the resolver throws.
 */
export async function resolveAllowed(
  hostname: string,
  allowPrivate: boolean,
  resolver: Resolver = resolveBySystem,
): Promise<readonly string[]> {
  const addresses = await resolver(hostname)
  for (const address of addresses) checkAddress(address, allowPrivate)
  return addresses
}

/** A `lookup` for node's sockets that resolves, checks every address (`resolveAllowed`), and only then lets the socket connect to them. */
export function guardedLookup(allowPrivate: boolean, resolver: Resolver = resolveBySystem): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async (): Promise<LookupAddress[]> => {
      const addresses = await resolveAllowed(hostname, allowPrivate, resolver)
      return addresses.map((address) => ({ address, family: isIP(address) }))
    }
    answer().then(
      (found) => {
        const [first] = found
        if (first === undefined) callback(new EscrowError('REMOTE_UNREACHABLE', 'expected the host to have an address, got none'), '')
        else if (options.all === true) callback(null, found)
        else callback(null, first.address, first.family)
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), ''),
    )
  }
}

function addressKind(address: string): AddressKind {
  // A zone (`fe80::1%eth0`) is link-local by nature, and no parser agrees on it.
  if (isIP(address) === 0 || address.includes('%')) return 'forbidden'
  if (isIPv4(address)) {
    if (forbiddenV4.check(address, 'ipv4')) return 'forbidden'
    return innerNetworks.check(address, 'ipv4') ? 'private' : 'public'
  }
  if (forbiddenV6.check(address, 'ipv6')) return 'forbidden'
  // Node matches mapped addresses against IPv4 rules; they are written like this only to slip through.
  if (/^::ffff:/i.test(address)) return 'forbidden'
  if (innerNetworks.check(address, 'ipv6')) return 'private'
  return globalV6.check(address, 'ipv6') ? 'public' : 'forbidden'
}

function blockList(...subnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix, family] of subnets) list.addSubnet(network, prefix, family)
  return list
}

function resolveBySystem(hostname: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })
}
