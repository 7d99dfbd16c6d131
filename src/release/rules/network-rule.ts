/**
 * From which networks a beneficiary may fetch what was released (DESIGN section 8, `accessNetworks`). Decided from data of the
 * agreement; nothing is looked up anywhere. An address is a weak witness of a place: this rule narrows access, it never grants any.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { z } from 'zod'
import { Country, Slug } from '../../format/ids.js'

/** An address block: `192.0.2.0/24` or `2001:db8::/32`. */
export const Cidr = z.string().max(50).refine(isCidr, 'expected an address block like 192.0.2.0/24')

export const AccessNetworkPolicy = z.strictObject({
  /** Which block belongs to which country; the narrowest block that contains an address decides. */
  networks: z
    .array(z.strictObject({ cidr: Cidr, country: Country }))
    .min(1)
    .max(10_000),
  countries: z.array(Country).min(1).max(250),
  /** A beneficiary's own blocks, from wherever its staff works: exempt from the rule for that beneficiary alone. */
  ownStaff: z
    .array(z.strictObject({ party: Slug, cidr: Cidr }))
    .max(10_000)
    .default([]),
})
export type AccessNetworkPolicy = z.infer<typeof AccessNetworkPolicy>

/** Whether an address may fetch, and by which rule. */
export interface NetworkVerdict {
  readonly allowed: boolean
  readonly rule: 'none' | 'own-staff' | 'country' | 'country-excluded' | 'network-unknown' | 'address-invalid'
  readonly country: string | null
}

/**
 * Decide one access.
 *
 * @param policy - null when the agreement has no network rule: everything is allowed.
 * @param access - the beneficiary that authenticated, and the address as the connection shows it (never a header that a client may set).
 * @returns a verdict that names its rule; an address in no block is refused.
 */
export function judgeNetwork(
  policy: AccessNetworkPolicy | null,
  access: { readonly beneficiary: string; readonly address: string },
): NetworkVerdict {
  if (policy === null) return { allowed: true, rule: 'none', country: null }
  const address = plainAddress(access.address)
  if (isIP(address) === 0) return { allowed: false, rule: 'address-invalid', country: null }
  const own = policy.ownStaff.some((entry) => entry.party === access.beneficiary && contains(entry.cidr, address))
  if (own) return { allowed: true, rule: 'own-staff', country: null }
  const country = countryOf(policy, address)
  if (country === null) return { allowed: false, rule: 'network-unknown', country }
  const allowed = policy.countries.includes(country)
  return { allowed, rule: allowed ? 'country' : 'country-excluded', country }
}

/** A dual-stack socket shows IPv4 peers as `::ffff:192.0.2.1`: the same address, so the same rule. */
function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return mapped ?? address
}

function countryOf(policy: AccessNetworkPolicy, address: string): string | null {
  let best: { readonly country: string; readonly bits: number } | null = null
  for (const { cidr, country } of policy.networks) {
    const bits = prefixBits(cidr)
    if (contains(cidr, address) && (best === null || bits > best.bits)) best = { country, bits }
  }
  return best?.country ?? null
}

function contains(cidr: string, address: string): boolean {
  const [base = ''] = cidr.split('/')
  const family = isIPv4(base) ? 'ipv4' : 'ipv6'
  // BlockList compares IPv6 blocks with mapped IPv4 addresses too; a rule must not cross families by accident.
  if ((family === 'ipv4') !== isIPv4(address)) return false
  const block = new BlockList()
  block.addSubnet(base, prefixBits(cidr), family)
  return block.check(address, family)
}

function prefixBits(cidr: string): number {
  return Number(cidr.split('/')[1])
}

function isCidr(text: string): boolean {
  const match = /^([0-9a-fA-F:.]{2,45})\/(\d{1,3})$/.exec(text)
  const base = match?.[1] ?? ''
  const bits = Number(match?.[2])
  return (isIPv4(base) && bits <= 32) || (isIPv6(base) && bits <= 128)
}
