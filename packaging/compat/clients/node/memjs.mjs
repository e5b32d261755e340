// memjs: the binary protocol, which is all it speaks.

import memjs from 'memjs'
import { check, done, equal, host, port, version } from './check.mjs'

version('memjs')
const client = memjs.Client.create(`${host}:${port}`)
const text = async (key) => (await client.get(key)).value?.toString() ?? null

await check('set and get', async () => {
  equal(await client.set('k', 'v', { expires: 60 }), true)
  equal(await text('k'), 'v')
})
await check('a miss', async () => equal(await text('absent'), null))
await check('add and replace', async () => {
  equal(await client.add('k', 'x', {}), false)
  equal(await client.replace('k', 'w', {}), true)
  equal(await client.replace('absent', 'w', {}), false)
})
await check('append and prepend', async () => {
  equal(await client.append('k', '>'), true)
  equal(await text('k'), 'w>')
  equal(await client.prepend('k', '<'), true) // which memjs sends as another append
})
await check('increment and decrement', async () => {
  equal((await client.increment('n', 5, { initial: 10 })).value, 10)
  equal((await client.increment('n', 5, {})).value, 15)
  equal((await client.decrement('n', 1, {})).value, 14)
})
await check('touch', async () => { await client.touch('k', 100) })
await check('many at once', async () => {
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.set(`m${i}`, `${i}`, {})))
  equal(await Promise.all(Array.from({ length: 100 }, (_, i) => text(`m${i}`))), Array.from({ length: 100 }, (_, i) => `${i}`))
})
await check('a large value', async () => {
  await client.set('large', 'x'.repeat(500_000), {})
  equal((await text('large')).length, 500_000)
})
await check('delete', async () => { equal(await client.delete('k'), true); equal(await text('k'), null) })
await check('stats', () => new Promise((resolve, reject) => client.stats((err, server, stats) => (err ? reject(err) : stats?.pid ? resolve() : reject(new Error(`stats are ${JSON.stringify(stats)}`))))))
await check('flush', async () => { await client.flush(); equal(await text('m1'), null) })
await check('quit', () => client.quit())
done()
