import { statfsSync } from 'node:fs'

const tmpfsMagic = 0x01021994
const freeBytesMin = 4 * 1024 ** 3

/**
 * Where tests put what they throw away: in memory when there is plenty of it. Nothing that they prove rests on a disk, and every forced write of
 * a thousand little archives would wait for one.
 */
export function testFolder(): { readonly TMPDIR?: string } {
  if (process.env['TMPDIR'] !== undefined || process.platform !== 'linux') return {}
  try {
    const { type, bavail, bsize } = statfsSync('/dev/shm')
    return type === tmpfsMagic && bavail * bsize >= freeBytesMin ? { TMPDIR: '/dev/shm' } : {}
  } catch {
    return {}
  }
}
