// A sealed deposit is the depositor's word about bytes that the agent cannot open: what belongs to another chain, vault or day must be seen here.
import { expect, test } from 'vitest'
import { statementClockSkewMs } from '../../../src/core/limits.js'
import { checkOffer, type OfferContext } from '../../../src/escrow/sealed/check-offer.js'
import type { Offer } from '../../../src/escrow/sealed/read-offer.js'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { Manifest } from '../../../src/format/manifest.js'
import vectors from '../../vectors/manifest.json' with { type: 'json' }

const [full, incremental] = vectors.manifests.map(({ text, digest }) => ({
  manifest: { ...Manifest.parse(parseCanonical(Buffer.from(text), 100_000)), mode: 'sealed' as const },
  digest,
})) as [Newest, Newest]
interface Newest {
  readonly manifest: Manifest
  readonly digest: string
}
const dayMs = 86_400_000
const takenMs = Date.parse(incremental.manifest.takenAt)
const previous = { manifest: full.manifest, manifestDigest: full.digest }
const { epoch, recipient } = full.manifest.envelope
const context: OfferContext = {
  previous,
  epoch: { epoch, recipient },
  source: { mode: 'sealed', source: 'core', fullAt: new Date(takenMs - dayMs), chainLength: 1, fullEveryDays: 7, chainLengthMax: 10 },
  now: new Date(takenMs),
  opensHere: () => false,
}
const offered = (manifest: Manifest) => ({ manifest, inventory: { bytes: new Uint8Array() } }) as unknown as Offer
const check =
  (change: Partial<Manifest>, other: Partial<OfferContext> = {}, of: Manifest = incremental.manifest) =>
  () =>
    checkOffer(offered({ ...of, ...change }), { ...context, ...other })
const code = (name: string) => expect.objectContaining({ name: 'EscrowError', code: name })
const source = (change: Partial<OfferContext['source']>) => ({ source: { ...context.source, ...change } })
const envelope = (change: Partial<Manifest['envelope']>) => ({ envelope: { ...incremental.manifest.envelope, ...change } })

test('the next incremental and the first full deposit belong here', () => {
  expect(check({})).not.toThrow()
  expect(check({}, { previous: null, ...source({ fullAt: null, chainLength: 0 }) }, full.manifest)).not.toThrow()
  expect(check({}, { now: new Date(takenMs - statementClockSkewMs) })).not.toThrow()
})

test.for<[string, Partial<Manifest>, Partial<OfferContext>]>([
  ['to a source that is not sealed', {}, source({ mode: 'push' })],
  ['after another manifest than the newest', { previous: 'f'.repeat(64) }, {}],
  ['after nothing, where there is a deposit', { previous: null }, {}],
  ['after a deposit, where there is none', {}, { previous: null }],
  ['under a number that is taken', { sequence: 1 }, {}],
  ['under a number that leaves a gap', { sequence: 3 }, {}],
  ['on the base of another chain', { base: 2 }, {}],
  ['in another object format', { objectFormat: 'sha256' }, {}],
  ['from the day after', {}, { now: new Date(takenMs - statementClockSkewMs - 1) }],
  ['as an incremental, when a full one is due by age', {}, source({ fullAt: new Date(takenMs - 7 * dayMs) })],
  ['as an incremental, when a full one is due by length', {}, source({ chainLength: 10 })],
])('a deposit %s is refused', ([, manifest, other]) => {
  expect(check(manifest, other)).toThrow(code('DEPOSIT_STATE'))
})

test('an incremental never leans on a chain of another vault, although the vault of now may read it', () => {
  const changed = { epoch: epoch + 1, recipient }
  expect(check(envelope(changed), { epoch: changed })).toThrow(code('DEPOSIT_STATE'))
  const other = `${recipient.slice(0, -1)}q`
  expect(check(envelope({ recipient: other }), { epoch: { epoch, recipient: other } })).toThrow(code('DEPOSIT_STATE'))
})

test.for<[string, Partial<Manifest>, Partial<OfferContext>]>([
  ['an epoch that is not the vault of now', { kind: 'full', ...envelope({ epoch: epoch + 1 }) }, {}],
  ['a recipient that is not the vault', { kind: 'full', ...envelope({ recipient: `${recipient.slice(0, -1)}q` }) }, {}],
  ['the agent, too, which must not be able to read names', {}, { opensHere: () => true }],
])('a deposit sealed to %s is refused', ([, manifest, other]) => {
  expect(check(manifest, other)).toThrow(code('RECIPIENT_INVALID'))
})
