"""redis-py's asyncio side with its defaults."""

import asyncio

import redis
import redis.asyncio

from check import check, done, equal, host, port, tls, version, wait

version(redis.__version__)


def tried(name):
    """Like check, of a coroutine that gets a client."""

    def run(function):
        async def whole():
            client = redis.asyncio.Redis(host=host, port=port, decode_responses=True, **tls)
            try:
                await asyncio.wait_for(function(client), 15)
                wait()
            finally:
                await client.close()

        check(name)(lambda: asyncio.run(whole()))

    return run


@tried("set and get")
async def _(r):
    equal(await r.set("k", "v"), True)
    equal(await r.get("k"), "v")


@tried("a hundred at once")
async def _(r):
    await asyncio.gather(*(r.set(f"p{i}", i) for i in range(100)))
    equal(await asyncio.gather(*(r.get(f"p{i}") for i in range(100))), [str(i) for i in range(100)])


@tried("pipeline")
async def _(r):
    async with r.pipeline() as p:
        equal(await p.set("{m}a", 1).incr("{m}a").execute(), [True, 2])


@tried("watch")
async def _(r):
    async with r.pipeline() as p:
        await p.watch("w")
        await r.set("w", "other")
        p.multi()
        p.set("w", "mine")
        try:
            await p.execute()
        except redis.WatchError:
            return
    raise AssertionError("no WatchError")


@tried("blpop")
async def _(r):
    async def push():
        await asyncio.sleep(0.2)
        await r.rpush("list", "x")

    popped, _ = await asyncio.gather(r.blpop("list", timeout=10), push())
    equal(tuple(popped), ("list", "x"))


@tried("blpop, given up")
async def _(r):
    try:
        await asyncio.wait_for(r.blpop("given up", timeout=0), 0.3)
    except asyncio.TimeoutError:
        pass
    await asyncio.sleep(0.2)
    await r.rpush("given up", "x")
    await asyncio.sleep(0.2)
    equal(await r.lrange("given up", 0, -1), ["x"])


@tried("pubsub")
async def _(r):
    async with r.pubsub() as sub:
        await sub.subscribe("news")
        equal((await sub.get_message(timeout=5))["type"], "subscribe")
        equal(await r.publish("news", "m"), 1)
        equal((await sub.get_message(timeout=5))["data"], "m")
        await sub.unsubscribe()


@tried("register_script")
async def _(r):
    add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    equal(await add(keys=["script"], args=[2]), 2)


@tried("lock")
async def _(r):
    async with r.lock("a lock", timeout=10):
        equal(await r.exists("a lock"), 1)
    equal(await r.exists("a lock"), 0)


@tried("scan_iter")
async def _(r):
    equal(len({key async for key in r.scan_iter("p*")}), 100)


done()
