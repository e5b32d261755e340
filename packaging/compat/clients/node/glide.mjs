// valkey-glide with its defaults.

import { Batch, GlideClient, GlideClientConfiguration, ProtocolVersion, Script } from '@valkey/valkey-glide'
import { check, done, equal, host, port, sleep, tls, variant, version, within } from './check.mjs'

version('@valkey/valkey-glide')
const options = { addresses: [{ host, port }], useTLS: tls !== undefined, requestTimeout: 5000, ...(variant === '2' ? { protocol: ProtocolVersion.RESP2 } : {}) }
const make = (more = {}) => within(10_000, GlideClient.createClient({ ...options, ...more }))
let client

if (!await check('connect', async () => { client = await make(); equal(await client.ping(), 'PONG') })) done()
await check('set and get', async () => {
  equal(await client.set('k', 'v'), 'OK')
  equal(await client.get('k'), 'v')
  equal(await client.get('absent'), null)
  equal(await client.mget(['k', 'absent']), ['v', null])
})
await check('typed replies', async () => {
  await client.hset('h', { a: '1' })
  equal(JSON.stringify(await client.hgetall('h')), JSON.stringify([{ field: 'a', value: '1' }]))
  await client.zadd('z', [{ element: 'a', score: 1.5 }])
  equal(await client.zscore('z', 'a'), 1.5)
  await client.sadd('s', ['x'])
  equal(await client.smembers('s'), new Set(['x']))
})
await check('commands at once', async () => {
  await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`p${i}`, `${i}`)))
  equal(await Promise.all(Array.from({ length: 200 }, (_, i) => client.get(`p${i}`))), Array.from({ length: 200 }, (_, i) => `${i}`))
})
await check('a batch', async () => equal(await client.exec(new Batch(false).set('x', '1').incr('y').get('x'), true), ['OK', 1, '1']))
await check('an atomic batch', async () => equal(await client.exec(new Batch(true).set('{m}a', '1').incr('{m}a'), true), ['OK', 2]))
await check('watch', async () => {
  const other = await make()
  await client.watch(['w'])
  await other.set('w', 'other')
  equal(await client.exec(new Batch(true).set('w', 'mine'), true), null)
  await client.watch(['w'])
  equal(await client.exec(new Batch(true).set('w', 'mine'), true), ['OK'])
  other.close()
})
await check('blpop', async () => {
  const blocked = await make()
  const popped = blocked.blpop(['list'], 10)
  await sleep(200)
  await client.rpush('list', ['x'])
  equal(await popped, ['list', 'x'])
  blocked.close()
})
await check('subscriptions', async () => {
  const { Exact, Pattern } = GlideClientConfiguration.PubSubChannelModes
  const sub = await make({ pubsubSubscriptions: { channelsAndPatterns: { [Exact]: new Set(['news']), [Pattern]: new Set(['n?ws']) } } })
  await sleep(500)
  await client.publish('m', 'news')
  const got = [await within(5000, sub.getPubSubMessage()), await within(5000, sub.getPubSubMessage())]
  equal(got.map((m) => `${m.message}`), ['m', 'm'])
  sub.close()
})
await check('scripts', async () => {
  const script = new Script('return redis.call("INCRBY", KEYS[1], ARGV[1])')
  for (let i = 0; i < 20; i++) equal(await client.invokeScript(script, { keys: [`s${i}`], args: ['3'] }), 3)
})
await check('scan', async () => {
  const seen = new Set()
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, { match: 'p*', count: 20 })
    keys.forEach((key) => seen.add(`${key}`))
    cursor = `${next}`
  } while (cursor !== '0')
  equal(seen.size, 200)
})
await check('info and dbsize', async () => {
  if (!/^redis_version:\d/m.test(await client.info())) throw new Error('no redis_version')
  if (await client.dbsize() < 200) throw new Error('dbsize is too small')
})
await check('a name', async () => {
  const named = await make({ clientName: 'compat' })
  equal(await named.clientGetName(), 'compat')
  named.close()
})
await check('a database', async () => {
  const in1 = await make({ databaseId: 1 })
  await in1.set('in one', 'v')
  equal(await in1.dbsize(), 1)
  in1.close()
})
await check('flushdb', async () => { equal(await client.flushdb(), 'OK'); equal(await client.dbsize(), 0) })
await check('close', () => client.close())
done()
