import { expect, test } from 'vitest'
import type { CommandContext } from '../../src/cli/command.js'
import { fileToAttach } from '../../src/cli/file-to-attach.js'

const context = { signal: new AbortController().signal, progress: () => undefined } as unknown as CommandContext

test.for([
  ['/dev/null', 'it is no file'],
  ['/dev', 'it is a folder'],
  ['/dev/null/x', 'a part of the path is not a folder'],
] as const)('%s cannot be attached', async ([path, words]) => {
  const attached = fileToAttach(context, { path, kind: 'image', name: 'x' })
  await expect(attached).rejects.toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining(words) as string })
})
