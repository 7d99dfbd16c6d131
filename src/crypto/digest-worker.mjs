// The thread behind digest-thread.ts: SHA-256 of streams whose bytes lie in shared memory, and of their parts. Plain JavaScript because a thread
// starts from a file as it lies there.
/* eslint-disable unicorn/require-post-message-target-origin -- a thread has no origin */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

const streams = new Map()

parentPort.on('message', ({ stream, bytes, beginsPart, drop }) => {
  if (drop) streams.delete(stream)
  else if (bytes === undefined) parentPort.postMessage({ stream, ...end(stream) })
  else {
    take(stateOf(stream), bytes, beginsPart)
    parentPort.postMessage({ stream })
  }
})

function stateOf(stream) {
  const state = streams.get(stream) ?? { whole: createHash('sha256'), part: null, parts: [] }
  streams.set(stream, state)
  return state
}

function take(state, bytes, beginsPart) {
  if (beginsPart) {
    closePart(state)
    state.part = createHash('sha256')
  }
  state.whole.update(bytes)
  state.part?.update(bytes)
}

function end(stream) {
  const state = stateOf(stream)
  streams.delete(stream)
  closePart(state)
  return { sha256: state.whole.digest('hex'), parts: state.parts }
}

/** The first part is how the whole begins: it is hashed once. */
function closePart({ whole, part, parts }) {
  parts.push((part ?? whole.copy()).digest('hex'))
}
