// socket.io's adapter: two servers, each with a client, that reach each other's clients through Redis.

import { createServer } from 'node:http'
import { createClient } from 'redis'
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { check, done, equal, host, port, scheme, sleep, until, version, within } from './check.mjs'

version('@socket.io/redis-adapter')

async function redisClient() {
  return await within(8000, createClient({ url: `${scheme}://${host}:${port}` }).on('error', (err) => console.log('# error:', err.message)).connect())
}

async function node(makeAdapter) {
  const http = createServer()
  const server = new Server(http, { adapter: makeAdapter(await redisClient(), await redisClient()) })
  server.of('/').adapter.on('error', (err) => console.log('# error:', err.message))
  server.on('connection', (socket) => socket.on('join', (room, ack) => { socket.join(room); ack() }))
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  const client = io(`http://127.0.0.1:${http.address().port}`, { transports: ['websocket'] })
  const got = []
  client.onAny((event, ...args) => got.push([event, ...args]))
  await within(8000, new Promise((resolve) => client.on('connect', resolve)))
  return { server, client, got }
}

for (const [kind, makeAdapter] of [['', createAdapter], ['sharded, ', createShardedAdapter]]) {
  let a, b
  const started = await check(`${kind}two servers`, async () => { a = await node(makeAdapter); b = await node(makeAdapter); await sleep(300) })
  if (!started) continue
  await check(`${kind}to all`, async () => {
    a.server.emit('hello', 1)
    await until(() => a.got.length === 1 && b.got.length === 1, 5000)
    equal(b.got[0], ['hello', 1])
  })
  await check(`${kind}to a room`, async () => {
    await b.client.emitWithAck('join', 'room')
    await sleep(300)
    a.server.to('room').emit('in the room', 2)
    await until(() => b.got.length === 2, 5000)
    equal(a.got.length, 1)
  })
  await check(`${kind}fetchSockets`, async () => equal((await within(8000, a.server.fetchSockets())).length, 2))
  await check(`${kind}serverSideEmit`, async () => {
    const heard = new Promise((resolve) => b.server.on('between', resolve))
    a.server.serverSideEmit('between', 'x')
    equal(await within(5000, heard), 'x')
  })
  await check(`${kind}serverSideEmit with answers`, async () => {
    b.server.on('asked', (answer) => answer('yes'))
    equal(await within(8000, a.server.serverSideEmitWithAck('asked')), ['yes'])
  })
  await check(`${kind}disconnectSockets`, async () => {
    a.server.in('room').disconnectSockets()
    await until(() => !b.client.connected, 5000)
  })
}
done()
