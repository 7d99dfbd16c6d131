// The thread behind second-opinion.ts: derives the id of every object of a pack with isomorphic-git, which shares no code with git. It is a thread
// because that takes seconds of computing, and plain JavaScript because a thread starts from a file as it lies there. One pack at a time:
// each costs some four times its size in memory.
/* eslint-disable unicorn/require-post-message-target-origin -- a thread has no origin */
import { promises } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { indexPack } from 'isomorphic-git'

// It would write its index beside git's.
const fs = { promises: { ...promises, writeFile: async () => undefined } }
let turn = Promise.resolve()

parentPort.on('message', (question) => {
  turn = turn.then(() => answer(question))
})

async function answer({ ask, gitDir, folder, file }) {
  try {
    const { oids } = await indexPack({ fs, dir: folder, gitdir: gitDir, filepath: file })
    parentPort.postMessage({ ask, ids: Buffer.from(oids.join(''), 'hex') })
  } catch (error) {
    parentPort.postMessage({ ask, problem: error instanceof Error ? error.message : String(error) })
  }
}
