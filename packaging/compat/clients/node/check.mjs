// What all programs in JavaScript share: they try one thing after the other, and say what came of each.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import assert from 'node:assert/strict'

export const host = process.argv[2]
export const port = Number(process.argv[3])
export const variant = process.env.COMPAT_VARIANT ?? ''
export const equal = assert.deepEqual
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// How to speak TLS: what tls.connect takes, or nothing. The authority is in NODE_EXTRA_CA_CERTS.
const manner = process.env.COMPAT_TLS
export const tls = !manner ? undefined : {
  ...(manner === '1.2' ? { maxVersion: 'TLSv1.2' } : { minVersion: 'TLSv1.3' }),
  ...(manner === 'certificate' ? { cert: readFileSync(process.env.COMPAT_CERT), key: readFileSync(process.env.COMPAT_KEY) } : {})
}
export const scheme = tls ? 'rediss' : 'redis'
let replaced = !tls

// Has everything of Pinion replaced under the connections that are open now, where TLS is spoken; once.
async function wait() {
  if (replaced) return
  replaced = true
  console.log('waits')
  await once(process.stdin, 'data')
}

const limit = 20_000 // ms that one check may take

export function version(name) {
  // Some packages do not export their package.json, so it is read where npm puts it.
  const url = new URL(`node_modules/${name}/package.json`, import.meta.url)
  console.log('version', JSON.parse(readFileSync(url)).version)
}

export function within(ms, promise, what = `has not ended within ${ms} ms`) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(what)), ms) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const oneLine = (err) => String(err?.stack && !err.message ? err.stack : err?.message ?? err).replaceAll(/\s*\n\s*/g, ' ').slice(0, 400)

export async function check(name, f) {
  try {
    await within(limit, (async () => f())())
    console.log('ok', name)
    await wait()
    return true
  } catch (err) {
    console.log(`FAIL ${name}: ${oneLine(err)}`)
    return false
  }
}

export function done() {
  console.log('done')
  process.exit(0)
}

// Errors that nobody awaits are shown, but are not the end of the program: checks say what does not work.
process.on('unhandledRejection', (err) => console.log('# unhandled:', oneLine(err)))
process.on('uncaughtException', (err) => console.log('# uncaught:', oneLine(err)))

export async function until(condition, ms = 10_000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) {
    if (await condition()) return
  }
  throw new Error('what is waited for has not come')
}
