import { expect, test } from 'vitest'
import { lfsConfigBytesMax, lfsUrlBytesMax } from '../../../src/core/limits.js'
import { parseLfsConfig } from '../../../src/deposit/lfs-config.js'

const url = 'https://lfs.example/product'

test.for([
  [`[lfs]\n\turl = ${url}\n`, url],
  [`[LFS]\r\nURL=${url}\r\n`, url],
  [`[lfs]\n url = "${url}"\n`, url],
  [`[lfs]\n\turl = https://first.example\n[lfs]\n\turl = ${url}`, url],
  [`[lfs]\n\tfetchexclude = *\n\turl = ${url}`, url],
] as const)('%j names its server', ([text, expected]) => {
  expect(parseLfsConfig(Buffer.from(text))).toBe(expected)
})

test.for([
  '',
  'url = https://lfs.example',
  '[remote "origin"]\n\tlfsurl = https://lfs.example',
  '[lfs "https://other.example"]\n\turl = https://lfs.example',
  '[lfs]\n[core]\n\turl = https://lfs.example',
  '[lfs]\n\turl =',
  '[lfs]\n\turl = ""',
  '[lfs]\n\turl = two words',
  '[lfs]\n\tpushurl = https://lfs.example',
  `[lfs]\n\turl = https://${'a'.repeat(lfsUrlBytesMax)}`,
  `[lfs]\n\turl = ${url}\n${'#'.repeat(lfsConfigBytesMax)}`,
  '\0\u202e[lfs]',
])('%j names none', (text) => {
  expect(parseLfsConfig(Buffer.from(text))).toBeNull()
})
