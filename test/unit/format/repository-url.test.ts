import { expect, test } from 'vitest'
import { normalizeRepositoryUrl, resolveSubmoduleUrl } from '../../../src/format/repository-url.js'

test.for([
  'https://git.example.org/team/app',
  'https://git.example.org/team/app.git',
  'https://ada:secret@GIT.example.org:443//team/app.git/',
  'http://git.example.org/team/app',
  'ssh://git@git.example.org/team/app.git',
  'ssh://git@git.example.org:22/team/app.git',
  'git@git.example.org:team/app.git',
  'git.example.org:team/app',
  'git@git.example.org:/team/app.git',
  'git://git.example.org/team/./app',
  'https://git.example.org/te%61m/app',
])('%s is one and the same repository', (url) => {
  expect(normalizeRepositoryUrl(url)).toBe('git.example.org/team/app')
})

test.for([
  ['/srv/git/app.git', 'file:/srv/git/app'],
  ['file:///srv/git/app', 'file:/srv/git/app'],
  ['https://git.example.org:8443/app', 'git.example.org:8443/app'],
  ['https://git.example.org/Team/app', 'git.example.org/Team/app'],
] as const)('%s is %s', ([url, address]) => {
  expect(normalizeRepositoryUrl(url)).toBe(address)
})

test.for([
  '',
  'app',
  'team/app',
  './app',
  '../app',
  '-oProxyCommand=touch x',
  '--upload-pack=x',
  'ext::sh -c touch% x',
  'ext::sh',
  'fd::17/foo',
  'javascript://alert(1)/x',
  'data:text/html, x',
  'https://',
  'https:///app',
  'https://host/',
  'https://host/../..',
  'host:../../etc/passwd',
  '/srv/../etc/app',
  'https://host/a\nb',
  'https://host/a b',
  'C:\\code\\app',
  'ftp://host/app',
  'https://host/.git',
  `https://host/${'a'.repeat(3000)}`,
  'https://[::1/app',
])('%j is no address that could be compared', (url) => {
  expect(normalizeRepositoryUrl(url)).toBeNull()
})

const own = 'git.example.org/team/app'
test.for([
  ['../lib.git', 'git.example.org/team/lib'],
  ['./lib', 'git.example.org/team/app/lib'],
  ['../../other/lib', 'git.example.org/other/lib'],
  ['.././../lib', 'git.example.org/lib'],
  ['../../../lib', null],
  ['../a/../../x', null],
  ['../', 'git.example.org/team'],
  ['..', null],
  ['https://elsewhere.example/lib', 'elsewhere.example/lib'],
] as const)('%s of team/app is %s', ([url, address]) => {
  expect(resolveSubmoduleUrl(own, url)).toBe(address)
})

test('a relative submodule of a repository without an address leads nowhere', () => {
  expect(resolveSubmoduleUrl(null, '../lib')).toBeNull()
  expect(resolveSubmoduleUrl('file:/srv/git/app', '../lib.git')).toBe('file:/srv/git/lib')
})
