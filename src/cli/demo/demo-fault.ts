import { open, readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { EscrowError } from '../../core/errors.js'

/** Flip one bit in the middle of the largest envelope. @returns what was done, in words. @throws EscrowError `NOT_FOUND` where there is none */
export async function flipOneBit(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.bundle.age'))
  const [name] = names.sort()
  if (name === undefined) throw new EscrowError('NOT_FOUND', `no envelope below ${folder}`)
  const path = resolve(folder, name)
  const file = await open(path, 'r').then(async (before) => {
    await before.chmod(0o644)
    await before.close()
    return open(path, 'r+')
  })
  try {
    const { size } = await file.stat()
    const byte = Buffer.alloc(1)
    const offset = Math.floor(size / 2)
    await file.read(byte, 0, 1, offset)
    byte[0] = (byte[0] ?? 0) ^ 1
    await file.write(byte, 0, 1, offset)
    await file.chmod(0o444)
    return `bit 0 of byte ${offset} of ${name}`
  } finally {
    await file.close()
  }
}
