import { expect, test } from 'vitest'
import { checkAddress } from '../../../src/git/address-policy.js'
import { hostOfRemote, parseRemoteUrl } from '../../../src/git/remote-url.js'

const strict = { allowHttp: false, allowPrivateAddresses: false, allowLocalPaths: false }
const lax = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: true }

test.each([
  ['https://git.example/a/b.git', { kind: 'http', url: 'https://git.example/a/b.git' }],
  ['https://git.example/a/b.git//', { kind: 'http', url: 'https://git.example/a/b.git' }],
  ['HTTPS://GIT.example:443/a', { kind: 'http', url: 'https://git.example/a' }],
  ['https://93.184.216.34/a', { kind: 'http', url: 'https://93.184.216.34/a' }],
  ['ssh://git@Git.example/a/b.git', { kind: 'ssh', user: 'git', host: 'git.example', port: 22, path: '/a/b.git' }],
  ['SSH://git@git.example:2222/a/', { kind: 'ssh', user: 'git', host: 'git.example', port: 2222, path: '/a' }],
  ['ssh://ada@git.example/~ada/a%20b.git', { kind: 'ssh', user: 'ada', host: 'git.example', port: 22, path: '~ada/a b.git' }],
  ['ssh://git@[2606:4700::1111]:22/a', { kind: 'ssh', user: 'git', host: '2606:4700::1111', port: 22, path: '/a' }],
  ['git@git.example:a/b.git', { kind: 'ssh', user: 'git', host: 'git.example', port: 22, path: 'a/b.git' }],
  ['git@git.example:/srv/a.git', { kind: 'ssh', user: 'git', host: 'git.example', port: 22, path: '/srv/a.git' }],
  ['git@[2606:4700::1111]:~/a.git', { kind: 'ssh', user: 'git', host: '2606:4700::1111', port: 22, path: '~/a.git' }],
  ['git@93.184.216.34:22/a', { kind: 'ssh', user: 'git', host: '93.184.216.34', port: 22, path: '22/a' }],
  [
    'git@ssh.dev.example:v3/org/My%20Project/a',
    { kind: 'ssh', user: 'git', host: 'ssh.dev.example', port: 22, path: 'v3/org/My%20Project/a' },
  ],
])('%s is a remote by the strictest rules', (text, expected) => {
  expect(parseRemoteUrl(text, strict)).toEqual(expected)
})

test.each([
  ['http://127.0.0.1:8080/a', { kind: 'http', url: 'http://127.0.0.1:8080/a' }],
  ['http://[::1]/a', { kind: 'http', url: 'http://[::1]/a' }],
  ['/srv/git/a.git', { kind: 'local', path: '/srv/git/a.git' }],
  ['file:///srv/git/a%20b.git', { kind: 'local', path: '/srv/git/a b.git' }],
  ['file://localhost/srv/git/../a', { kind: 'local', path: '/srv/a' }],
])('%s is a remote where the configuration allows it', (text, expected) => {
  expect(parseRemoteUrl(text, lax)).toEqual(expected)
})

test.each([
  '',
  '--upload-pack=touch /tmp/owned',
  '-uhttps://git.example/a',
  'ext::sh -c "touch /tmp/owned"',
  'fd::17/foo',
  'transport::https://git.example/a',
  '::https://git.example',
  'git+ssh://git.example/a',
  'ssh+git://git@git.example/a',
  'git://git.example/a',
  'ftp://git.example/a',
  'javascript:alert(1)',
  'https://user:password@git.example/a',
  'https://user@git.example/a',
  'https://:password@git.example/a',
  'https://git.example/a?service=x',
  'https://git.example/a#b',
  'https://git.example/a\nb',
  'https://git.example/\u0000',
  'https://git.example/\u202egit',
  'https://',
  'relative/path',
  '../up',
  'file://elsewhere/srv/git',
  'file:///a%00b',
  'file:///a%2fb',
  `https://git.example/${'a'.repeat(2048)}`,
])('%j is refused by the laxest rules', (text) => {
  expect(() => parseRemoteUrl(text, lax)).toThrow(expect.objectContaining({ code: 'REMOTE_URL' }))
})

// ssh takes arguments and the other end has a shell, so nothing may look like an option or leave its quotes.
test.each([
  'ssh://git.example/a',
  'ssh://@git.example/a',
  'ssh://git@git.example',
  'ssh://git@git.example/',
  'ssh://git@git.example//',
  'ssh://git@git.example:/a',
  'ssh://git@git.example:0/a',
  'ssh://git@git.example:65536/a',
  'ssh://git@git.example:22x/a',
  'ssh://git:secret@git.example/a',
  'ssh://a@b@git.example/a',
  'ssh://git@/a',
  'ssh://-oProxyCommand=touch%20owned/a',
  'ssh://git@-oProxyCommand=touch/a',
  'ssh://-oProxyCommand=touch@git.example/a',
  'ssh://git@git.example/~-x/$(touch owned)',
  "ssh://git@git.example/a';touch owned;'",
  'ssh://git@git.example/a%27b',
  'ssh://git@git.example/a%0ab',
  'ssh://git@git.example/a%ff',
  'ssh://git@git.example/a%5cb',
  'ssh://git@git.example/a`id`',
  'ssh://git@git.example/a!b',
  'ssh://git@git.example/a?b',
  'ssh://git@git.example/a#b',
  'ssh://git@git..-/a',
  'ssh://git@git.example./a',
  'ssh://git@git_example/a',
  'ssh://git@g%69t.example/a',
  'ssh://git@[fe80::1%25eth0]/a',
  'ssh://git@[::1/a',
  `ssh://git@${'a'.repeat(254)}/a`,
  `ssh://git@git.example/${'a'.repeat(1024)}`,
  'git@git.example:',
  'git@git.example:/',
  'git@git.example:-oProxyCommand=x',
  'git@git.example:--upload-pack=x',
  'git@git.example:a;touch owned',
  'git@git.example:a|b',
  'git@git.example:a:b',
  '@git.example:a',
  '-oProxyCommand=x@git.example:a',
  'ssh://-v@git.example/a',
  'git@-oProxyCommand=x:a',
  'git@:a',
  'git@[::1]x:a',
  'git@git.example::a',
])('%j is no repository behind ssh', (text) => {
  expect(() => parseRemoteUrl(text, lax)).toThrow(expect.objectContaining({ code: 'REMOTE_URL' }))
})

test.each(['ssh://git@127.0.0.1/a', 'git@10.0.0.1:a', 'ssh://git@[::1]:2222/a', 'git@[::ffff:127.0.0.1]:a', 'git@169.254.169.254:a'])(
  '%s is refused as an address behind ssh',
  (text) => {
    expect(() => parseRemoteUrl(text, strict)).toThrow(expect.objectContaining({ code: 'REMOTE_ADDRESS_REFUSED' }))
  },
)

test.each([
  ['https://GIT.example/a', 'git.example'],
  ['https://git.example:8443/a', 'git.example:8443'],
  ['ssh://git@GIT.example/a', 'git.example'],
  ['ssh://git@git.example:2222/a', '[git.example]:2222'],
  ['git@git.example:a/b', 'git.example'],
  ['/srv/git/a.git', null],
  ['file:///srv/a', null],
  ['ssh://-oProxyCommand=x/a', null],
  ['nonsense', null],
])('visits to %s are counted for %j', (text, host) => {
  expect(hostOfRemote(text)).toBe(host)
})

test.each(['http://git.example/a', '/srv/git/a.git', 'file:///srv/git/a.git'])('%j needs a permission', (text) => {
  expect(() => parseRemoteUrl(text, strict)).toThrow(expect.objectContaining({ code: 'REMOTE_URL' }))
})

test('a password in a URL is not repeated in the refusal', () => {
  try {
    parseRemoteUrl('https://user:hunter2@git.example/a', strict)
    expect.unreachable()
  } catch (error) {
    expect(String(error)).not.toContain('hunter2')
  }
})

// Every way to write loopback that a URL parser understands.
test.each([
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://127.1/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://①②⑦.0.0.1/',
])('%s is refused as an address', (text) => {
  expect(() => parseRemoteUrl(text, strict)).toThrow(expect.objectContaining({ code: 'REMOTE_ADDRESS_REFUSED' }))
})

const inner = [
  '127.0.0.1',
  '127.255.255.255',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '::1',
  'fc00::1',
  'fdff::1',
]
const never = [
  '0.0.0.0',
  '169.254.169.254',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '192.88.99.1',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::ffff:1.1.1.1',
  '::ffff:10.0.0.1',
  '::1.2.3.4',
  '64:ff9b::a00:1',
  '64:ff9b:1::1',
  'fe80::1',
  'fe80::1%eth0',
  '2606:4700::1111%eth0',
  'fec0::1',
  'ff02::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  'fd00:ec2::254',
  '100::1',
  'localhost',
  '',
  '1.2.3',
]

test.each([
  '1.1.1.1',
  '93.184.216.34',
  '172.15.0.1',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '2606:4700::1111',
  '2a00:1450:4001::5',
  '2001:4860:4860::8888',
])('%s is public', (address) => {
  expect(() => checkAddress(address, false)).not.toThrow()
})

test.each(inner)('%s is reached only where private addresses are allowed', (address) => {
  expect(() => checkAddress(address, false)).toThrow(expect.objectContaining({ code: 'REMOTE_ADDRESS_REFUSED' }))
  expect(() => checkAddress(address, true)).not.toThrow()
})

test.each(never)('%j is never reached', (address) => {
  for (const allowPrivate of [false, true]) {
    expect(() => checkAddress(address, allowPrivate)).toThrow(expect.objectContaining({ code: 'REMOTE_ADDRESS_REFUSED' }))
  }
})
