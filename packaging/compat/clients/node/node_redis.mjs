// node-redis with its defaults.

import { createClient } from 'redis'
import { check, done, equal, port, host, scheme, sleep, tls, variant, version, within } from './check.mjs'

version('redis')
const options = { url: `${scheme}://${host}:${port}`, socket: { ...tls }, ...(variant === '2' ? { RESP: 2 } : {}) }
const make = () => createClient(options).on('error', (err) => console.log('# error:', err.message))
const client = make()

if (!await check('connect', () => client.connect())) done()
await check('set and get', async () => {
  equal(await client.set('k', 'v', { EX: 60 }), 'OK')
  equal(await client.get('k'), 'v')
  equal(await client.get('absent'), null)
  equal(await client.mGet(['k', 'absent']), ['v', null])
})
await check('typed replies', async () => {
  await client.hSet('h', { a: '1', b: '2' })
  equal({ ...await client.hGetAll('h') }, { a: '1', b: '2' })
  await client.zAdd('z', [{ score: 1.5, value: 'a' }, { score: 2, value: 'b' }])
  equal(await client.zRangeWithScores('z', 0, -1), [{ score: 1.5, value: 'a' }, { score: 2, value: 'b' }])
  equal(await client.zScore('z', 'a'), 1.5)
  await client.sAdd('s', 'x')
  equal(await client.sMembers('s'), ['x'])
})
await check('commands at once', async () => {
  await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`p${i}`, `${i}`)))
  equal(await Promise.all(Array.from({ length: 200 }, (_, i) => client.get(`p${i}`))), Array.from({ length: 200 }, (_, i) => `${i}`))
})
await check('multi', async () => {
  equal(await client.multi().set('{m}a', '1').incr('{m}a').get('{m}a').exec(), ['OK', 2, '2'])
})
await check('multi, execAsPipeline', async () => {
  equal(await client.multi().set('x', '1').set('y', '2').get('x').execAsPipeline(), ['OK', 'OK', '1'])
})
await check('watch', async () => {
  await client.watch('w')
  equal(await client.multi().set('w', '1').exec(), ['OK'])
})
await check('watch, a conflict', async () => {
  const other = await make().connect()
  await client.watch('w')
  await other.set('w', 'other')
  await assertRejects(client.multi().set('w', 'mine').exec(), /watch/i)
  other.destroy()
})
await check('blPop', async () => {
  const blocked = await make().connect()
  const popped = blocked.blPop('list', 10)
  await sleep(200)
  await client.rPush('list', 'x')
  equal({ ...await popped }, { key: 'list', element: 'x' })
  equal(await blocked.blPop('list', 0.2), null)
  await blocked.close()
})
await check('a pool', async () => {
  const { createClientPool } = await import('redis')
  const pool = await createClientPool(options).on('error', () => {}).connect()
  equal(await pool.set('pooled', '1'), 'OK')
  equal(await pool.get('pooled'), '1')
  await pool.close()
})
await check('subscribe', async () => {
  const sub = await make().connect()
  const got = []
  await sub.subscribe('news', (message, channel) => got.push([channel, message]))
  await sub.pSubscribe('n?ws', (message, channel) => got.push(['pattern', message]))
  equal(await client.publish('news', 'm'), 2)
  await within(5000, (async () => { while (got.length < 2) await sleep(10) })())
  equal(got.sort(), [['news', 'm'], ['pattern', 'm']])
  await sub.unsubscribe('news')
  await sub.pUnsubscribe()
  await sub.close()
})
await check('sSubscribe', async () => {
  const sub = await make().connect()
  const got = []
  await sub.sSubscribe('shard', (message) => got.push(message))
  await client.sPublish('shard', 'm')
  await within(5000, (async () => { while (got.length < 1) await sleep(10) })())
  await sub.close()
})
await check('scripts', async () => {
  equal(await client.eval('return {KEYS[1], ARGV[1]}', { keys: ['k'], arguments: ['a'] }), ['k', 'a'])
  const sha = await client.scriptLoad('return redis.call("INCR", KEYS[1])')
  for (let i = 0; i < 20; i++) equal(await client.evalSha(sha, { keys: [`sha${i}`] }), 1)
})
await check('scanIterator', async () => {
  const seen = new Set()
  for await (const keys of client.scanIterator({ MATCH: 'p*', COUNT: 20 })) for (const key of keys) seen.add(key)
  equal(seen.size, 201)
})
await check('keys and dbSize', async () => {
  equal((await client.keys('p1*')).length, 111)
  if (await client.dbSize() < 200) throw new Error('dbSize is too small')
})
await check('info', async () => {
  if (!/^redis_version:\d/m.test(await client.info('server'))) throw new Error('no redis_version')
})
await check('xReadGroup', async () => {
  await client.xGroupCreate('stream', 'g', '$', { MKSTREAM: true })
  await client.xAdd('stream', '*', { f: 'v' })
  const got = await client.xReadGroup('g', 'me', { key: 'stream', id: '>' }, { BLOCK: 1000 })
  equal(JSON.stringify(got).includes('"f":"v"'), true)
})
await check('a name', async () => {
  const named = await createClient({ ...options, name: 'compat' }).on('error', () => {}).connect()
  equal(await named.clientGetName(), 'compat')
  await named.close()
})
await check('clientList', async () => {
  if ((await client.clientList()).length < 1) throw new Error('nobody is listed')
})
await check('select', async () => {
  const in1 = await createClient({ ...options, database: 1 }).on('error', () => {}).connect()
  await in1.set('in one', 'v')
  equal(await in1.dbSize(), 1)
  await in1.close()
})
if (variant !== '2') {
  await check('clientSideCache', async () => {
    const cached = await createClient({ ...options, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 } }).on('error', () => {}).connect()
    await client.set('cached', '1')
    equal(await cached.get('cached'), '1')
    equal(await cached.get('cached'), '1')
    await client.set('cached', '2')
    await within(5000, (async () => { while (await cached.get('cached') !== '2') await sleep(10) })(), 'is not invalidated')
    await cached.close()
  })
}
await check('flushDb', async () => {
  equal(await client.flushDb(), 'OK')
  equal(await client.dbSize(), 0)
})
await check('close', () => client.close())
done()

async function assertRejects(promise, pattern) {
  try {
    await promise
  } catch (err) {
    if (pattern.test(err.name + err.message)) return
    throw err
  }
  throw new Error('is not refused')
}
