import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { watchOutput } from '../../src/cli/standard-output.js'

function watched(json: boolean) {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const said: string[] = []
  const terminal = { out: () => undefined, err: (line: string) => void said.push(line), redraw: () => undefined, interactive: false }
  return { out, err, said, endsWith: watchOutput({ out, err }, terminal, json) }
}

const fault = (code: string) => Object.assign(new Error(`${code}: write`), { code })

test('a reader that has gone changes nothing', () => {
  const { out, err, said, endsWith } = watched(false)
  out.emit('error', fault('EPIPE'))
  err.emit('error', fault('EPIPE'))
  expect([endsWith(0), endsWith(3), said]).toEqual([0, 3, []])
})

test('lines that a full disk did not take are told once, and the run is no success', () => {
  const { out, said, endsWith } = watched(false)
  out.emit('error', fault('ENOSPC'))
  out.emit('error', fault('ENOSPC'))
  expect(said).toEqual(['escrow: standard output: the disk is full [FILE_UNREADABLE]', expect.stringContaining('the disk has room')])
  expect([endsWith(0), endsWith(3)]).toEqual([2, 3])
})

test('it is told in JSON where JSON is wanted', () => {
  const { out, said } = watched(true)
  out.emit('error', fault('ENOSPC'))
  expect(JSON.parse(said.join('\n'))).toMatchObject({ error: { code: 'FILE_UNREADABLE', message: 'standard output: the disk is full' } })
})
