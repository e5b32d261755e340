// ioredis with its defaults.

import Redis from 'ioredis'
import { check, done, equal, host, port, sleep, tls, version, within } from './check.mjs'

version('ioredis')
const make = (options = {}) => {
  const redis = new Redis({ host, port, tls, ...options })
  redis.on('error', (err) => console.log('# error:', err.message))
  return redis
}
const redis = make()

await check('connect', async () => equal(await redis.ping(), 'PONG'))
await check('set and get', async () => {
  equal(await redis.set('k', 'v', 'EX', 60), 'OK')
  equal(await redis.get('k'), 'v')
  equal(await redis.get('absent'), null)
  equal(await redis.mget('k', 'absent'), ['v', null])
  await redis.hset('h', { a: '1' })
  equal({ ...await redis.hgetall('h') }, { a: '1' })
})
await check('getBuffer', async () => {
  const bytes = Buffer.from([0, 255, 13, 10])
  await redis.set('bytes', bytes)
  equal(await redis.getBuffer('bytes'), bytes)
})
await check('pipeline', async () => {
  const pipeline = redis.pipeline()
  for (let i = 0; i < 100; i++) pipeline.set(`p${i}`, i).get(`p${i}`)
  const replies = await pipeline.exec()
  equal(replies.filter(([err]) => err), [])
  equal(replies[199], [null, '99'])
})
await check('multi', async () => {
  equal(await redis.multi().set('{m}a', 1).incr('{m}a').exec(), [[null, 'OK'], [null, 2]])
})
await check('multi without pipeline', async () => {
  const own = make()
  equal(await own.multi({ pipeline: false }), 'OK')
  equal(await own.set('{m}a', 5), 'QUEUED')
  equal(await own.exec(), [[null, 'OK']])
  await own.quit()
})
await check('watch', async () => {
  const own = make()
  await own.watch('w')
  await redis.set('w', 'other')
  equal(await own.multi().set('w', 'mine').exec(), null)
  await own.watch('w')
  equal(await own.multi().set('w', 'mine').exec(), [[null, 'OK']])
  await own.quit()
})
await check('blpop', async () => {
  const blocked = make()
  const popped = blocked.blpop('list', 10)
  await sleep(200)
  await redis.rpush('list', 'x')
  equal(await popped, ['list', 'x'])
  equal(await blocked.blpop('list', 1), null)
  await blocked.quit()
})
await check('subscribe', async () => {
  const sub = make()
  const got = []
  sub.on('message', (channel, message) => got.push(`${channel} ${message}`))
  sub.on('pmessage', (pattern, channel, message) => got.push(`${pattern} ${channel} ${message}`))
  equal(await sub.subscribe('news', 'olds'), 2)
  equal(await sub.psubscribe('n*'), 3)
  equal(await redis.publish('news', 'm'), 2)
  await within(5000, (async () => { while (got.length < 2) await sleep(10) })())
  equal(got.sort(), ['n* news m', 'news m'])
  await sub.unsubscribe('news', 'olds')
  await sub.punsubscribe('n*')
  equal(await sub.get('k'), 'v')
  await sub.quit()
})
await check('defineCommand', async () => {
  redis.defineCommand('addto', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])' })
  for (let i = 0; i < 20; i++) equal(await redis.addto(`d${i}`, 3), 3)
  const replies = await redis.pipeline().addto('d1', 1).addto('d2', 1).exec()
  equal(replies, [[null, 4], [null, 4]])
})
await check('script load', async () => {
  const sha = await redis.script('LOAD', 'return redis.call("INCR", KEYS[1])')
  equal(await redis.script('EXISTS', sha), [1])
  for (let i = 0; i < 20; i++) equal(await redis.evalsha(sha, 1, `e${i}`), 1)
})
await check('scanStream', async () => {
  const seen = new Set()
  for await (const keys of redis.scanStream({ match: 'p*', count: 20 })) keys.forEach((key) => seen.add(key))
  equal(seen.size, 100)
})
await check('hscanStream', async () => {
  const seen = []
  for await (const part of redis.hscanStream('h')) seen.push(...part)
  equal(seen, ['a', '1'])
})
await check('keys and dbsize', async () => {
  equal((await redis.keys('p*')).length, 100)
  if (await redis.dbsize() < 100) throw new Error('dbsize is too small')
})
await check('info', async () => {
  if (!/^redis_version:\d/m.test(await redis.info())) throw new Error('no redis_version')
})
await check('xreadgroup', async () => {
  await redis.xgroup('CREATE', 'stream', 'g', '$', 'MKSTREAM')
  const id = await redis.xadd('stream', '*', 'f', 'v')
  equal(await redis.xreadgroup('GROUP', 'g', 'me', 'BLOCK', 1000, 'STREAMS', 'stream', '>'), [['stream', [[id, ['f', 'v']]]]])
})
await check('monitor', async () => {
  const monitor = await redis.monitor()
  const seen = new Promise((resolve) => monitor.on('monitor', (time, args) => args[0] === 'get' && resolve(args)))
  await redis.get('k')
  equal(await within(5000, seen), ['get', 'k'])
  monitor.disconnect()
})
await check('connectionName', async () => {
  const named = make({ connectionName: 'compat' })
  equal(await named.client('GETNAME'), 'compat')
  await named.quit()
})
await check('keyPrefix', async () => {
  const prefixed = make({ keyPrefix: 'pre:' })
  await prefixed.set('k', '1')
  equal(await redis.get('pre:k'), '1')
  await prefixed.quit()
})
await check('autopipelining', async () => {
  const auto = make({ enableAutoPipelining: true })
  equal(await Promise.all(Array.from({ length: 50 }, (_, i) => auto.get(`p${i}`))), Array.from({ length: 50 }, (_, i) => `${i}`))
  await auto.quit()
})
await check('select', async () => {
  const in1 = make({ db: 1 })
  await in1.set('in one', 'v')
  equal(await in1.dbsize(), 1)
  equal(await in1.select(0), 'OK')
  equal(await in1.get('in one'), null)
  await in1.quit()
})
await check('flushdb', async () => {
  equal(await redis.flushdb(), 'OK')
  equal(await redis.dbsize(), 0)
})
await check('quit', async () => equal(await redis.quit(), 'OK'))
done()
