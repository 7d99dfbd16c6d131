// Every route of the router, with every role: members see what is theirs, strangers of the same role see nothing and learn nothing.
import type { NestExpressApplication } from '@nestjs/platform-express'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPartyFolder } from '../../src/cli/party/party-folder.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { Role, type Party } from '../../src/format/agreement.js'
import { HttpCaller, type ProblemBody } from '../doubles/http-caller.js'
import { AnnounceEvents } from '../../src/notice/announce-events.js'
import { HttpHouse } from '../doubles/http-house.js'

const members: Readonly<Record<Role, string | null>> = {
  depositor: 'vendor',
  beneficiary: 'partner',
  custodian: 'notary',
  agent: 'agent',
  supervisor: 'ministry',
  arbiter: 'arbiter',
  approver: null,
}
/** The roles that take part. */
export const roles: readonly Role[] = Role.options.filter((role) => members[role] !== null)

let house: HttpHouse
let folder: string
const insiders = new Map<Role, HttpCaller>()
const strangers = new Map<Role, HttpCaller>()
/** A value for every parameter that any path has. */
const values: Record<string, string> = {}
/** Notices and contacts belong to one party: those of each role. */
const own = new Map<Role, Readonly<Record<string, string>>>()
/** A body for every POST. */
const bodies: Record<string, (caller: HttpCaller, path: string) => ReturnType<HttpCaller['get']>> = {}

async function openHouse(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'reduit-tenancy-'))
  house = await HttpHouse.open()
  await house.send('vendor', house.order())
  const { request } = await house.release()
  for (const role of roles) {
    insiders.set(role, await HttpCaller.as(house.service.app, cardOf(role)))
    strangers.set(role, await HttpCaller.as(house.service.app, await strangerCard(role)))
  }
  await findValues(request)
  await findNotices()
}

async function closeHouse(): Promise<void> {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
}

function cardOf(role: Role): Party {
  return house.service.party(members[role] ?? '').card
}

/** The same name, role and organisation as the member has, with another key. */
async function strangerCard(role: Role): Promise<Party> {
  const { keys: _keys, recipient: _recipient, recoveryRecipient: _recovery, ...same } = cardOf(role)
  return (await createPartyFolder(join(folder, role), same, new SystemEntropy())).card
}

async function findValues(request: string): Promise<void> {
  const partner = insiders.get('beneficiary')!
  const agreement = house.agreed.id
  const [deposit] = (await partner.json<{ items: { deposit: string }[] }>(`/v1/agreements/${agreement}/sources/product/deposits`)).items
  const [event] = (await partner.json<{ items: { leafHash: string }[] }>(`/v1/agreements/${agreement}/events`)).items
  const [order] = (await partner.json<{ items: { order: string }[] }>('/v1/orders')).items
  const { objects } = await partner.json<{ objects: { key: string }[] }>(`/v1/grants/${request}`)
  const manifest = objects.find(({ key }) => key.endsWith('manifest.json'))!
  const found = {
    agreement,
    source: 'product',
    deposit: deposit!.deposit,
    leaf: event!.leafHash,
    order: order!.order,
    request,
    statement: order!.order,
    repository: 'product.git',
    attempt: 'a'.repeat(20),
    digest: '0a'.repeat(32),
    folder: '0000000001-full',
    name: 'manifest.json',
    oid: '0a'.repeat(32),
    lock: '12',
  }
  const { size } = await partner.json<{ size: number }>('/v1/log')
  Object.assign(values, found, { version: '1', key: manifest.key, size: '1', path: `entries/000.p/${size}` })
  const heartbeat = house.sign('heartbeat', 'vendor', {})
  bodies['/v1/statements'] = (caller, path) => caller.document(path, heartbeat)
  bodies['/v1/statements/:statement/evidence'] = (caller, path) => caller.bytes(path, 'application/octet-stream', house.document)
  const attachment = '/v1/agreements/:agreement/sources/:source/attachments/:digest'
  bodies[`${attachment}/pieces`] = (caller, path) => caller.bytes(path, 'application/octet-stream', Buffer.from('x'))
  bodies[`${attachment}/received`] = (caller, path) => caller.post(path, { epoch: 7 })
  const offer = '/v1/agreements/:agreement/sources/:source/offers/:attempt'
  for (const path of [`${offer}/files/:folder/:name`, `${offer}/received`])
    bodies[path] = (caller, filled) => caller.bytes(filled, 'application/octet-stream', Buffer.from('x'))
  for (const service of ['git-receive-pack', 'git-upload-pack'])
    bodies[`/git/:agreement/:repository/${service}`] = (caller, path) =>
      caller.bytes(path, 'application/x-git-receive-pack-request', Buffer.from('0000'))
  const lfs = '/git/:agreement/:repository/info/lfs'
  for (const path of ['locks', 'locks/verify', 'locks/:lock/unlock'])
    bodies[`${lfs}/${path}`] = (caller, filled) => caller.bytes(filled, 'application/vnd.git-lfs+json', Buffer.from('{}'))
  const lfsObjects = `${lfs}/objects`
  bodies[`${lfsObjects}/batch`] = (caller, path) =>
    caller.bytes(path, 'application/vnd.git-lfs+json', Buffer.from('{"operation":"upload","objects":[]}'))
  bodies[`${lfsObjects}/:oid`] = (caller, path) => caller.bytes(path, 'application/octet-stream', Buffer.from('x'), undefined, 'put')
  bodies['/v1/agreements/:agreement/acceptances'] = (caller, path) => {
    const accept = house.sign('share-accept', 'notary', { index: 2, recipient: house.agreed.signed.body.vault.epochs[0]!.recipient })
    return caller.post(path, { documents: [Buffer.from(accept).toString('base64')] })
  }
}

const noticed: readonly Role[] = ['depositor', 'beneficiary', 'supervisor']

async function findNotices(): Promise<void> {
  await house.service.get(AnnounceEvents).run()
  const wish = { agreement: house.agreed.id, channel: 'webhook', address: 'https://receiver.example/' }
  for (const role of noticed) {
    const member = insiders.get(role)!
    const [told] = (await member.json<{ items: { notice: { notice: string } }[] }>('/v1/notices')).items
    const kept = (await member.post('/v1/contacts', wish)).body as { contact: string }
    own.set(role, { notice: told!.notice.notice, contact: kept.contact })
  }
  Object.assign(values, own.get('beneficiary'))
  bodies['/v1/contacts'] = (caller, path) => caller.post(path, wish)
  for (const path of ['/v1/notices/:notice/acknowledgement', '/v1/contacts/:contact/end'])
    bodies[path] = (caller, filled) => caller.post(filled, {})
}

/** The same route about what is the own of a role. */
function ownOf(role: Role, route: Route): Route {
  const [theirs, mine] = [own.get('beneficiary')!, own.get(role) ?? {}]
  const path = Object.entries(theirs).reduce((text, [name, value]) => text.replace(value, mine[name] ?? value), route.path)
  return { ...route, path }
}

interface Route {
  readonly method: string
  readonly template: string
  readonly path: string
  readonly open: boolean
}

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> }
}

/** What the router itself knows: a controller that the API document leaves out is here all the same. */
function routes(): readonly Route[] {
  const { router } = (house.service.app as NestExpressApplication).getHttpAdapter().getInstance() as {
    readonly router: { readonly stack: readonly Layer[] }
  }
  const found = router.stack.flatMap(({ route }) => (route === undefined || route.path.startsWith('/docs') ? [] : [route]))
  return found.flatMap(({ path, methods }) =>
    Object.keys(methods).map((method) => {
      const filled = path.replaceAll(/[:*](\w+)/g, (_, name: string) => {
        const value = values[name]
        if (value === undefined) throw new Error(`no value for the parameter ${name} of ${path}: add one`)
        return value
      })
      return { method, template: path, path: filled, open: /^\/(?:health|log)\/|^\/v1\/log/.test(path) }
    }),
  )
}

async function call(
  caller: HttpCaller,
  { method, template: name, path }: Route,
): Promise<{ readonly status: number; readonly text: string }> {
  if (method === 'get') return caller.get(path)
  const send = bodies[name]
  if (!['post', 'put'].includes(method) || send === undefined) throw new Error(`no body for ${method} ${name}: add one`)
  return send(caller, path)
}

const agentsOnly = ['/metrics']
const beneficiariesOnly = /^\/v1\/grants/
const depositorsOnly = /^\/git\/|\/offers\/|\/attachments\//
const noticedOnly = /^\/v1\/(?:notices|contacts)/
const namesOnly = /\/inventory$/
const refusesByRole = (role: Role, { template: name }: Route) =>
  (noticedOnly.test(name) && !noticed.includes(role)) ||
  (agentsOnly.includes(name) && role !== 'agent') ||
  (beneficiariesOnly.test(name) && role !== 'beneficiary') ||
  (namesOnly.test(name) && !['agent', ...noticed].includes(role)) ||
  (depositorsOnly.test(name) && role !== 'depositor')

/** The source under test is pulled: its depositor is told that it takes nothing. */
const isSent = ({ path }: Route) => path.startsWith('/git/') || path.includes('/offers/')

/** The code of a problem; for git it stands in words. */
function code({ text }: { readonly text: string }): string | undefined {
  if (!text.startsWith('{')) return /\[([A-Z_]+)\]\n/.exec(text)?.[1]
  return text.startsWith('{') ? (JSON.parse(text) as Partial<ProblemBody>).code : undefined
}

/** The same route about something that nobody has. */
function absent(route: Route): Route {
  const away = (text: string) =>
    text.replaceAll(/(agr|dep|req|ntc|ctc)_[a-z2-7]{20}/g, `$1_${'a'.repeat(20)}`).replaceAll(/[0-9a-f]{64}/g, '0'.repeat(64))
  return { ...route, path: away(route.path) }
}

function withoutIds(text: string): string {
  return text.replaceAll(/(agr|dep|req)_[a-z2-7]{20}|[0-9a-f]{64}|[0-9a-f]{16,24}/g, '*')
}

/** The story of some roles: members see what is theirs, strangers of the same role see nothing and learn nothing. */
export function everyRouteWith(tried: readonly Role[]): void {
  beforeAll(openHouse)
  afterAll(closeHouse)

  test('the router lists the routes', () => {
    expect(routes().length).toBeGreaterThan(30)
  })

  describe.each(tried)('%s', (role) => {
    test('a member reaches every route of its role, and the answer is about what is its own', async () => {
      for (const route of routes()) {
        const answer = await call(insiders.get(role)!, ownOf(role, route))
        if (refusesByRole(role, route)) expect([answer.status, code(answer)], route.path).toEqual([403, 'ROLE_REFUSED'])
        else if (isSent(route)) expect(code(answer), route.path).toBe('PUSH_REFUSED')
        else if (route.template.endsWith(':digest/received')) expect([answer.status, code(answer)]).toEqual([422, 'BODY_INVALID'])
        else if (route.template.endsWith('/acceptances')) expect([answer.status, code(answer)]).toEqual([422, 'SHARE_INVALID'])
        else expect(answer.status, `${route.path}: ${answer.text ?? ''}`).toBe(200)
      }
    })

    test('a stranger with the same name, role and organisation sees nothing, and cannot tell what is there', async () => {
      for (const route of routes().filter(({ open }) => !open)) {
        const answer = await call(strangers.get(role)!, ownOf(role, route))
        if (refusesByRole(role, route)) expect([answer.status, code(answer)], route.path).toEqual([403, 'ROLE_REFUSED'])
        else if (['/metrics', '/v1/replicas'].includes(route.template)) expect(answer.status).toBe(200)
        else if (!/[:*]/.test(route.template) && route.method === 'get') {
          expect(JSON.parse(answer.text), route.path).toEqual(expect.objectContaining({ items: [] }))
        } else {
          if (route.path.endsWith('git-upload-pack')) continue
          expect([answer.status, code(answer)], route.path).toEqual([404, 'NOT_FOUND'])
          if (role !== 'beneficiary') continue
          expect(withoutIds(answer.text), route.path).toBe(withoutIds((await call(strangers.get(role)!, absent(route))).text))
        }
      }
    })

    test('the key of a member in another role sees nothing', async () => {
      const other: Role = role === 'custodian' ? 'depositor' : 'custodian'
      const caller = await HttpCaller.as(house.service.app, { ...cardOf(role), role: other })
      expect((await caller.json<{ items: unknown[] }>('/v1/agreements')).items).toEqual([])
      expect((await caller.get(`/v1/deposits/${values['deposit']}`)).status).toBe(404)
    })
  })

  test('without a token only what names nobody answers', async () => {
    const nobody = new HttpCaller(house.service.app, null)
    for (const route of routes()) {
      const answer = await call(nobody, route)
      if (route.open) expect(answer.status, route.path).toBe(200)
      else expect([answer.status, code(answer)], route.path).toEqual([401, 'TOKEN_INVALID'])
    }
  })
}
