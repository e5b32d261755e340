// memcached of npm: the text protocol.

import Memcached from 'memcached'
import { check, done, equal, host, port, version } from './check.mjs'

version('memcached')
const client = new Memcached(`${host}:${port}`, { retries: 0, timeout: 5000 })
client.on('failure', (details) => console.log('# failure:', JSON.stringify(details.messages)))
const call = (name, ...args) => new Promise((resolve, reject) => client[name](...args, (err, value) => (err ? reject(new Error([].concat(err).join())) : resolve(value))))

await check('set and get', async () => { equal(await call('set', 'k', 'v', 60), true); equal(await call('get', 'k'), 'v') })
await check('a miss', async () => equal(await call('get', 'absent'), undefined))
await check('objects', async () => { await call('set', 'o', { a: [1] }, 60); equal(await call('get', 'o'), { a: [1] }) })
await check('getMulti', async () => {
  for (let i = 0; i < 50; i++) await call('set', `m${i}`, i, 60)
  equal(Object.keys(await call('getMulti', Array.from({ length: 50 }, (_, i) => `m${i}`))).length, 50)
})
await check('gets and cas', async () => {
  const { cas } = await call('gets', 'k')
  equal(await call('cas', 'k', 'w', cas, 60), true)
  equal(await call('cas', 'k', 'w', cas, 60), false)
})
await check('append and prepend', async () => { await call('append', 'k', '>'); await call('prepend', 'k', '<'); equal(await call('get', 'k'), '<w>') })
await check('incr and decr', async () => { await call('set', 'n', 10, 60); equal(await call('incr', 'n', 5), 15); equal(await call('decr', 'n', 1), 14) })
await check('touch', async () => equal(await call('touch', 'k', 100), true))
await check('del', async () => equal(await call('del', 'k'), true))
await check('version', async () => equal(typeof (await call('version'))[0].version, 'string'))
await check('stats', async () => equal(typeof (await call('stats'))[0].pid, 'number'))
await check('settings', async () => equal((await call('settings')).length > 0, true))
await check('slabs', async () => equal((await call('slabs')).length > 0, true))
await check('items', async () => equal((await call('items')).length > 0, true))
await check('a server that stays', async () => { await call('set', 'after', 'x', 60); equal(await call('get', 'after'), 'x') })
await check('flush', async () => { await call('flush'); equal(await call('get', 'n'), undefined) })
await check('end', () => client.end())
done()
