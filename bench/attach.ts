// Row 11: an attachment of a gigabyte over loopback, from the first byte sent to the check of the seal on two replicas.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemEntropy } from '../src/core/environment.js'
import type { BenchRow } from './bench-row.js'
import type { KeptAttachment } from './child/keep-attachment.js'
import { measuredOf } from './first-deposit.js'
import { measureChild, median } from './measure.js'
import { installed } from './tools.js'

const megabyte = 1_000_000
const megabytes = 1000

export const row: BenchRow = {
  name: 'attach',
  title: 'an attachment of 1 GB over loopback: sealed, on two replicas, read back and opened',
  async run(bench) {
    if (!(await installed('curl', '--version'))) return { outcome: 'skipped', why: 'curl is not installed' }
    const file = join(await bench.folder('attach'), 'image')
    await writeRandom(file)
    const kept: KeptAttachment[] = []
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`attach, round ${round}`)
      kept.push((await measureChild<KeptAttachment>('keep-attachment', { folder: await bench.folder('attached'), file })).result)
    }
    const rate = (ms: (own: KeptAttachment['own']) => number) => median(kept.map(({ own, bytes }) => bytes / megabyte / (ms(own) / 1000)))
    const own = kept.map((one) => one.own)
    return {
      outcome: 'measured',
      ratios: [
        { what: 'MB per second, by wall time', value: rate(({ wallMs }) => wallMs), unit: '/s', target: { bound: 'at least', value: 200 } },
        { what: "MB per second of the service's own processor", value: rate(({ cpuMs }) => cpuMs), unit: '/s', target: null },
      ],
      measured: [measuredOf('attachment', own, { bytes: megabytes * megabyte })],
      bound: 'processor: SHA-256 four times, the cipher in both directions, and what is written to replicas',
    }
  },
}

/** Random, so that no file system saves anything. */
async function writeRandom(path: string): Promise<void> {
  const block = Buffer.concat(Array.from({ length: 16 }, () => new SystemEntropy().bytes(62_500)))
  const file = await open(path, 'wx')
  for (let written = 0; written < megabytes; written += 1) await file.appendFile(block)
  await file.close()
}
