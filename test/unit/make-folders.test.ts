import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freshFolder, writeNamedFile } from '../../src/cli/files.js'
import { makeFolders } from '../../src/core/make-folders.js'

async function room(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'reduit-folders-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('folders are made with those above them, by two at once, and again', async () => {
  const path = join(await room(), 'a', 'b', 'c')
  await Promise.all([makeFolders(path, { mode: 0o700 }), makeFolders(path, { mode: 0o700 })])
  await makeFolders(path)
  for (const made of [path, join(path, '..'), join(path, '..', '..')]) expect((await stat(made)).mode & 0o777).toBe(0o700)
})

test('a folder behind a link counts as one', async () => {
  const folder = await room()
  await symlink(folder, join(folder, 'link'))
  await makeFolders(join(folder, 'link'))
  await makeFolders(join(folder, 'link', 'below'))
  expect((await stat(join(folder, 'below'))).isDirectory()).toBe(true)
})

test('what is no folder is not taken for one', async () => {
  const folder = await room()
  await writeFile(join(folder, 'file'), '')
  await symlink(join(folder, 'nowhere'), join(folder, 'dangling'))
  await expect(makeFolders(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolders(join(folder, 'file', 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolders(join(folder, 'dangling', 'a'))).rejects.toMatchObject({ code: 'EEXIST' })
})

// The kernel says ENOENT there although the parent exists; Node's recursive mkdir tries again for ever.
test.runIf(process.platform === 'linux').for(['/proc/reduit', '/proc/reduit/a/b'])(
  'nothing is made at %s, and that is said at once',
  async (path) => {
    const refusal = {
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(/^\/proc\/reduit.*: no folder can be made in \/proc$/) as string,
    }
    await expect(makeFolders(path)).rejects.toMatchObject({ code: 'ENOTSUP' })
    await expect(freshFolder(path)).rejects.toMatchObject(refusal)
    await expect(writeNamedFile(join(path, 'key.json'), '{}', { secret: true })).rejects.toMatchObject(refusal)
  },
)
