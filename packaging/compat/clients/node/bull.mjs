// Bull: a queue, its worker, delayed, repeated and failing jobs, and events of other processes.

import Queue from 'bull'
import { check, done, equal, host, port, tls, until, variant, version, within } from './check.mjs'

version('bull')
const options = { redis: { host, port, tls }, ...(variant ? { prefix: variant } : {}) }
const make = () => new Queue('work', options).on('error', (err) => console.log('# error:', err.message))
const queue = make()
const other = make()
const worked = []
const completed = []
let fails = 0

await check('connect', () => within(10_000, queue.isReady()))
await check('add', async () => { await queue.add({ name: 'one' }) })
await check('counts', async () => equal((await queue.getJobCounts()).waiting, 1))
await check('events of others', async () => {
  other.on('global:completed', (id, result) => completed.push(result))
  await within(10_000, other.isReady())
})
await check('process', async () => {
  queue.process(async (job) => {
    if (job.data.name === 'fail once' && fails++ === 0) throw new Error('as intended')
    await job.progress(50)
    worked.push(job.data.name)
    return job.data.name
  }).catch((err) => console.log('# process:', err.message))
  await until(() => worked.includes('one'))
})
await check('finished', async () => equal(await (await other.add({ name: 'two' })).finished(), 'two'))
await check('a global event', () => until(() => completed.some((result) => result.includes('two'))))
await check('addBulk', async () => {
  await other.addBulk(Array.from({ length: 50 }, () => ({ data: { name: 'bulk' } })))
  await until(() => worked.filter((name) => name === 'bulk').length === 50)
})
await check('a delayed job', async () => {
  await queue.add({ name: 'delayed' }, { delay: 500 })
  await until(() => worked.includes('delayed'))
})
await check('a job that fails is tried again', async () => {
  await queue.add({ name: 'fail once' }, { attempts: 3, backoff: 200 })
  await until(() => worked.includes('fail once'))
})
await check('a repeated job', async () => {
  await queue.add({ name: 'repeated' }, { repeat: { every: 300 } })
  await until(() => worked.filter((name) => name === 'repeated').length >= 2)
  await queue.removeRepeatable({ every: 300 })
})
await check('pause and resume', async () => { await queue.pause(); equal(await queue.isPaused(), true); await queue.resume() })
await check('getWorkers', async () => equal((await queue.getWorkers()).length >= 1, true))
await check('clean and empty', async () => { await queue.clean(0); await queue.empty() })
await check('close', async () => { await within(10_000, queue.close()); await within(10_000, other.close()) })
done()
