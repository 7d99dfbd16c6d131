// Orders against the agent, decided again from the log after the index was lost: as they were decided, or not at all.
import { expect, test } from 'vitest'
import type { KnownAgreement } from '../../../src/escrow/archive/agreement-shelf.js'
import { Event, type EventOf } from '../../../src/format/event.js'
import type { StatementOf } from '../../../src/format/statement.js'
import { ReplayLegalOrders, type LegalPaper } from '../../../src/release/rebuild/replay-legal-orders.js'
import { parseObjectKey } from '../../../src/store/object-key.js'
import { EscrowError } from '../../../src/core/errors.js'

const agreement = 'agr_abcdefghij234567abcd'
const order = 'aa'.repeat(32)
const answer = 'bb'.repeat(32)
const known = { row: { agreementId: agreement }, signed: { body: { release: {} }, digest: 'cc'.repeat(32) } } as unknown as KnownAgreement
const gag = { noticeForbidden: true, noticeForbiddenUntil: '2030-02-01T00:00:00.000Z' }

const paper = (digest: string, statement: object): LegalPaper => ({
  verified: { digest, signer: 'agent', statement: statement as StatementOf<'legal-order'> },
  known,
  key: parseObjectKey(`legal/${digest}`),
})
const registered = (fields: object = {}) =>
  paper(order, {
    type: 'escrow/statement/legal-order/v1',
    contestUntil: '2030-01-20T00:00:00.000Z',
    noticeForbidden: false,
    noticeForbiddenUntil: null,
    ...fields,
  })
const checked = paper(answer, {
  type: 'escrow/statement/legal-order-step/v1',
  order,
  step: { kind: 'check-done', check: 'authenticity' },
  proof: 'dd'.repeat(32),
})

const first = { chain: { number: 1, previous: null }, agreement, subject: agreement }
const recorded = (at: string, statement: string, name: string): Event =>
  Event.parse({
    type: 'escrow/event/statement-recorded/v1',
    ...first,
    at,
    statementType: `escrow/statement/${name}/v1`,
    statement,
    party: 'agent',
    key: `legal/${statement}`,
  })
const sealed = (at: string, record: string): Event => Event.parse({ type: 'escrow/event/record-sealed/v1', ...first, at, record })
const advanced = (at: string, to: EventOf<'legal-order-advanced'>['to'], statement: string | null): Event =>
  Event.parse({
    type: 'escrow/event/legal-order-advanced/v1',
    ...first,
    at,
    order,
    from: null,
    to,
    cause: statement === null ? 'clock' : 'statement',
    statement,
  })

async function replay(papers: readonly LegalPaper[], ...events: readonly Event[]) {
  const legal = new ReplayLegalOrders()
  const paperOf = (event: EventOf<'statement-recorded'> | EventOf<'record-sealed'>): Promise<LegalPaper> => {
    const digest = 'record' in event ? event.record : event.statement
    const found = papers.find((one) => one.verified.digest === digest)
    return found === undefined ? Promise.reject(new EscrowError('OBJECT_MISSING', digest)) : Promise.resolve(found)
  }
  for (const event of events) await legal.apply(event, paperOf)
  const [row] = legal.result().legalOrders
  return { row, statements: legal.result().legalStatements }
}

const day = (date: string, time = '09:00:00.000') => `2030-01-${date}T${time}Z`
const began = [recorded(day('02'), order, 'legal-order'), advanced(day('02'), 'registered', order)]

test('what was decided in the last moment of a window and recorded after it is decided as the log says', async () => {
  const late = day('20', '00:00:00.004')
  const step = [recorded(late, answer, 'legal-order-step'), advanced(late, 'registered', answer)]
  const { row } = await replay([registered(), checked], ...began, ...step)
  expect([row?.state, row?.progress.done.length]).toEqual(['registered', 1])
  const over = [recorded(late, answer, 'legal-order-step'), advanced(late, 'overdue', answer)]
  expect((await replay([registered(), checked], ...began, ...over)).row?.state).toBe('overdue')
})

test('what was sealed in the last moment of a silence does not end it', async () => {
  const { row, statements } = await replay([registered(gag), checked], sealed(day('02'), order), sealed('2030-02-01T00:00:00.003Z', answer))
  expect([row?.progress.noticeAllowed, row?.progress.noticeForbiddenUntil]).toEqual([false, gag.noticeForbiddenUntil])
  expect(statements.map(({ subject, type }) => [subject, type.split('/')[2]])).toEqual([
    [order, 'legal-order'],
    [order, 'legal-order-step'],
  ])
})

test('when the silence ends each statement keeps its day and lies in the open', async () => {
  const open = '2030-02-01T09:00:00.000Z'
  const end = [recorded(open, order, 'legal-order'), advanced(open, 'overdue', null)]
  const { row, statements } = await replay([registered(gag)], sealed(day('02'), order), ...end)
  expect(row?.progress).toMatchObject({ noticeAllowed: true, noticeReviewAt: null, state: { name: 'overdue' } })
  expect(statements).toMatchObject([{ recordedAt: new Date(day('02')), key: `legal/${order}` }])
})

test.for([
  ['another state than the statements give', [...began, advanced(day('03'), 'answered', null)]],
  ['a step by a statement that it does not show', [...began, advanced(day('03'), 'registered', answer)]],
  [
    'a step of an order that was never registered',
    [recorded(day('03'), answer, 'legal-order-step'), advanced(day('03'), 'registered', answer)],
  ],
  ['a clock of an order that was never registered', [advanced(day('03'), 'overdue', null)]],
] as const)('a log that tells %s is refused', async ([, events]) => {
  await expect(replay([registered(), checked], ...events)).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
})
