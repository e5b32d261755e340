// BullMQ: a queue, a worker, events of both, delayed and failing jobs, a flow.

import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq'
import { check, done, equal, host, port, tls, until, variant, version, within } from './check.mjs'

version('bullmq')
const options = { connection: { host, port, tls }, ...(variant ? { prefix: variant } : {}) }
const worked = []
let fails = 0
const noisy = (emitter) => emitter.on('error', (err) => console.log('# error:', err.message))

const queue = noisy(new Queue('work', options))
const events = noisy(new QueueEvents('work', options))
let worker

await check('connect', async () => { await within(10_000, queue.waitUntilReady()); await within(10_000, events.waitUntilReady()) })
await check('add', async () => equal(typeof (await queue.add('one', { n: 1 })).id, 'string'))
await check('counts', async () => equal((await queue.getJobCounts('waiting')).waiting, 1))
await check('a worker', async () => {
  worker = noisy(new Worker('work', async (job) => {
    if (job.name === 'fail once' && fails++ === 0) throw new Error('as intended')
    await job.updateProgress(50)
    worked.push(job.name)
    return { twice: job.data.n * 2 }
  }, options))
  await within(10_000, worker.waitUntilReady())
})
await check('a job is done', () => until(() => worked.includes('one')))
await check('waitUntilFinished', async () => {
  const job = await queue.add('two', { n: 2 })
  equal(await job.waitUntilFinished(events, 10_000), { twice: 4 })
})
await check('addBulk', async () => {
  await queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ name: 'bulk', data: { n } })))
  await until(() => worked.filter((name) => name === 'bulk').length === 50)
})
await check('a delayed job', async () => {
  await queue.add('delayed', { n: 3 }, { delay: 500 })
  await until(() => worked.includes('delayed'))
})
await check('a job that fails is tried again', async () => {
  await queue.add('fail once', { n: 4 }, { attempts: 3, backoff: 200 })
  await until(() => worked.includes('fail once'))
})
await check('priorities', async () => {
  await queue.add('low', { n: 1 }, { priority: 10 })
  await queue.add('high', { n: 1 }, { priority: 1 })
  await until(() => worked.includes('low') && worked.includes('high'))
})
await check('a job scheduler', async () => {
  await queue.upsertJobScheduler('every', { every: 300 }, { name: 'repeated', data: { n: 1 } })
  await until(() => worked.filter((name) => name === 'repeated').length >= 2)
  await queue.removeJobScheduler('every')
})
await check('a flow', async () => {
  const flow = noisy(new FlowProducer(options))
  const tree = await flow.add({ name: 'parent', queueName: 'work', data: { n: 1 }, children: [{ name: 'child', queueName: 'work', data: { n: 2 } }] })
  equal(await tree.job.waitUntilFinished(events, 10_000), { twice: 2 })
  equal(worked.indexOf('child') < worked.indexOf('parent'), true)
  await flow.close()
})
await check('pause and resume', async () => { await queue.pause(); equal(await queue.isPaused(), true); await queue.resume() })
await check('getJobs', async () => equal((await queue.getJobs(['completed'])).length > 50, true))
await check('getWorkers', async () => equal((await queue.getWorkers()).length >= 1, true))
await check('obliterate', () => queue.obliterate({ force: true }))
await check('close', async () => { await within(10_000, worker.close()); await within(10_000, events.close()); await within(10_000, queue.close()) })
done()
