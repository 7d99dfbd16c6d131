import { expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { renderReport } from '../../../src/evidence/render-report.js'
import type { VerifiedEvidence } from '../../../src/evidence/verify-evidence.js'
import { EscrowError } from '../../../src/core/errors.js'
import { Agreement } from '../../../src/format/agreement.js'
import { Manifest } from '../../../src/format/manifest.js'
import { Receipt } from '../../../src/format/receipt.js'
import type { SignedAgreement } from '../../../src/format/signed-agreement.js'
import { verifyAttestation } from '../../../src/format/verify-attestation.js'
import agreementVectors from '../../vectors/agreement.json' with { type: 'json' }
import attestationVectors from '../../vectors/attestation.json' with { type: 'json' }
import manifestVectors from '../../vectors/manifest.json' with { type: 'json' }
import receiptVectors from '../../vectors/receipt.json' with { type: 'json' }

const body = Agreement.parse(JSON.parse(agreementVectors.text))
const newest: SignedAgreement = { body, digest: agreementVectors.digest, bytes: new Uint8Array(), signedBy: [] }
const account = await verifyAttestation(Buffer.from(attestationVectors.document), newest, { tagSecret: null, leaves: null })
const note = { collectedAt: new Date('2026-11-23T00:00:00.000Z'), madeBy: 'reduit 0.1.0' }

/** What the vectors would come to in a folder. */
function evidence(): VerifiedEvidence {
  const receipt = { receipt: Receipt.parse(JSON.parse(receiptVectors.text)), digest: '', checkpoint: account.checkpoint, degraded: false }
  const [vector] = manifestVectors.manifests
  const manifest = Manifest.parse(JSON.parse(vector!.text))
  const place = { agreement: body.agreement, source: manifest.source, sequence: manifest.sequence, kind: manifest.kind }
  const deposit = { place, manifest, digest: vector!.digest, agreement: newest, receipt, explanations: [] }
  const history = { source: manifest.source, published: [deposit], unpublished: [], problems: [], notes: [] }
  const events = account.attestation.log.leaves.map(({ index, event }) => ({ event, leafHash: '', place: index, key: '' as never }))
  return {
    documents: {
      trusted: { pinned: true, newest, versions: new Map([[newest.digest, newest]]) },
      accepted: { shares: 1, expected: 1 },
      sources: [{ history, files: 0, bytes: 0 }],
      problems: [],
    },
    checkpoint: account.checkpoint,
    events,
    statements: new Map(),
    attestations: [account],
    problems: [],
  }
}

test('the same evidence gives the same page: a page that changes needs the next `reportEdition`', () => {
  const page = renderReport(evidence(), note)
  expect(renderReport(evidence(), note)).toBe(page)
  expect([/edition (\d+)/.exec(page)?.[1], sha256Hex(Buffer.from(page))]).toEqual(['1', editionDigest])
})

const editionDigest = '12d02863081ee3cfbc457d00ff04d28c70e3a5c960b363fed77256d8bdd324e0'

test('the outcome comes first, and says what it does not mean', () => {
  const page = renderReport(evidence(), note)
  const words = page.replaceAll(/\s+/g, ' ')
  expect(page.indexOf('The evidence holds.')).toBeLessThan(page.indexOf('<table'))
  expect(words).toContain('3 due times have passed. 2 were met, <strong>1 was not</strong>.')
  expect(words).toContain('1 deposit is on record, with a signed receipt and a place in the public log.')
})

test('what does not hold stands above everything that does', () => {
  const problems = [{ error: new EscrowError('CHAIN_BROKEN', 'deposit 2 is missing <b>'), where: 'core' }]
  const page = renderReport({ ...evidence(), problems }, note)
  expect(page).toContain('1 thing does not hold.')
  expect(page.indexOf('deposit 2 is missing &#60;b&#62;')).toBeLessThan(page.indexOf('What this rests on'))
  expect(page).not.toContain('The evidence holds.')
})

test('whatever strangers wrote, the page has the same tags as before', () => {
  const hostile = `"'></p><script>alert(1)</script>\u202E`
  const spoil = <T>(value: T): T => {
    if (Array.isArray(value)) return value.map((one) => spoil<unknown>(one)) as T
    if (value instanceof Uint8Array || value instanceof Map || value === null || typeof value !== 'object') return value
    const fields = Object.entries(value).map(([name, field]) => {
      const wanted = ['title', 'name', 'organisation', 'origin', 'witness', 'manifestKey', 'code', 'refsDigest'].includes(name)
      return [name, wanted && typeof field === 'string' ? `${field}${hostile}` : spoil<unknown>(field)]
    })
    return Object.fromEntries(fields) as T
  }
  const clean = evidence()
  const spoiled = { ...clean, documents: { ...clean.documents, trusted: { ...clean.documents.trusted, newest: spoil(newest) } } }
  const page = renderReport({ ...spoiled, checkpoint: spoil(clean.checkpoint), events: spoil(clean.events) }, note)
  expect(page).toContain('&#60;script&#62;alert(1)')
  expect(page).not.toMatch(/<script|\u202E/)
  expect(page.split('<').length).toBe(renderReport(clean, note).split('<').length)
})
