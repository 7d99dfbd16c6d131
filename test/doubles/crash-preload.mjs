// Loaded before the built `escrow` (node --import): kills the process, as kill -9 would, right after a chosen step that changes something.
// Only the number of steps decides, so a walk over all numbers stops at every point between two changes.
const { CRASH_DIST: dist = '', CRASH_AFTER: after = '0' } = process.env
const { AdaptersModule } = await import(`${dist}/src/adapters.module.js`)
const { ReplicaSet } = await import(`${dist}/src/store/replica-set.js`)

let steps = 0
/** @template T @param {T} result @returns {T} */
function changed(result) {
  steps += 1
  if (steps === Number(after)) process.kill(process.pid, 'SIGKILL')
  return result
}

/** A statement outside a transaction counts when it writes. */
function watchWrites(db, wrote) {
  return new Proxy(db, {
    get(target, name) {
      if (name === 'insert' || name === 'update' || name === 'delete' || name === 'execute') wrote()
      const found = Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}

function database(inner) {
  return {
    exclusive: inner.exclusive,
    async query(run) {
      let writes = false
      const result = await inner.query((db) => run(watchWrites(db, () => (writes = true))))
      return writes ? changed(result) : result
    },
    transaction: async (run) => changed(await inner.transaction(run)),
    close: () => inner.close(),
  }
}

function upload(inner) {
  return {
    async write(bytes) {
      await inner.write(bytes)
      changed(undefined)
    },
    complete: async () => changed(await inner.complete()),
    abort: () => inner.abort(),
  }
}

function store(inner) {
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'openUpload') return async (...args) => upload(await target.openUpload(...args))
      if (name === 'extendRetention') return async (...args) => changed(await target.extendRetention(...args))
      const found = Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}

function heads(inner) {
  return {
    read: (...args) => inner.read(...args),
    write: async (...args) => changed(await inner.write(...args)),
  }
}

const { of } = AdaptersModule
AdaptersModule.of = (adapters) =>
  of.call(AdaptersModule, {
    ...adapters,
    database: database(adapters.database),
    replicas: new ReplicaSet(
      adapters.replicas.replicas.map((replica) => ({ ...replica, store: store(replica.store), heads: heads(replica.heads) })),
    ),
  })
