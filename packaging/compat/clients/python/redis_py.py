"""redis-py with its defaults."""

import threading
import time

import redis

from check import check, dial, done, equal, host, port, raises, scheme, tls, until, version

version(redis.__version__)
r = redis.Redis(host, port, decode_responses=True, **tls)


def later(function, *args):
    timer = threading.Timer(0.2, function, args)
    timer.start()
    return timer


@check("connect")
def _():
    equal(r.ping(), True)


@check("set and get")
def _():
    equal(r.set("k", "v", ex=60), True)
    equal(r.get("k"), "v")
    equal(r.get("absent"), None)
    equal(r.mget("k", "absent"), ["v", None])
    equal(redis.Redis(host, port, **tls).get("k"), b"v")


@check("structures")
def _():
    r.hset("h", mapping={"a": 1, "b": 2})
    equal(r.hgetall("h"), {"a": "1", "b": "2"})
    r.zadd("z", {"a": 1.5, "b": 2})
    equal(r.zrange("z", 0, -1, withscores=True), [("a", 1.5), ("b", 2.0)])
    r.sadd("s", "x", "y")
    equal(r.smembers("s"), {"x", "y"})
    r.geoadd("g", (13.361389, 38.115556, "Palermo"))
    equal(len(r.geopos("g", "Palermo")), 1)
    r.rpush("l", 3, 1, 2)
    equal(r.sort("l"), ["1", "2", "3"])


@check("pipeline without transaction")
def _():
    with r.pipeline(transaction=False) as p:
        for i in range(100):
            p.set(f"p{i}", i).get(f"p{i}")
        equal(p.execute()[1::2], [str(i) for i in range(100)])


@check("pipeline")
def _():
    with r.pipeline() as p:
        equal(p.set("{m}a", 1).incr("{m}a").get("{m}a").execute(), [True, 2, "2"])


@check("pipeline with an error inside")
def _():
    with r.pipeline() as p:
        p.set("{m}s", "text").lpush("{m}s", "x").incr("{m}i")
        got = p.execute(raise_on_error=False)
        equal([got[0], type(got[1]).__name__, got[2]], [True, "ResponseError", 1])


@check("watch")
def _():
    with r.pipeline() as p:
        p.watch("w")
        equal(p.get("w"), None)
        p.multi()
        p.set("w", 1)
        equal(p.execute(), [True])


@check("watch, a conflict")
def _():
    with r.pipeline() as p:
        p.watch("w")
        r.set("w", "other")
        p.multi()
        p.set("w", "mine")
        raises(redis.WatchError, p.execute)
    equal(r.get("w"), "other")


@check("transaction")
def _():
    def add(p):
        value = int(p.get("t") or 0)
        p.multi()
        p.set("t", value + 1)

    threads = [threading.Thread(target=lambda: [r.transaction(add, "t") for _ in range(10)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(r.get("t"), "40")


@check("blpop")
def _():
    later(r.rpush, "list", "x")
    equal(r.blpop("list", timeout=10), ("list", "x"))


@check("blpop, timeout")
def _():
    equal(r.blpop("list", timeout=1), None)


@check("brpoplpush and blmove")
def _():
    later(r.rpush, "{l}a", "x")
    equal(r.brpoplpush("{l}a", "{l}b", timeout=10), "x")
    equal(r.blmove("{l}b", "{l}a", timeout=1), "x")


@check("bzpopmin")
def _():
    later(r.zadd, "bz", {"m": 1})
    equal(r.bzpopmin("bz", timeout=10), ("bz", "m", 1.0))


@check("streams")
def _():
    r.xgroup_create("stream", "g", mkstream=True)
    later(r.xadd, "stream", {"f": "v"})
    got = r.xreadgroup("g", "me", {"stream": ">"}, block=10000)
    equal(got[0][1][0][1], {"f": "v"})
    equal(r.xack("stream", "g", got[0][1][0][0]), 1)
    equal(r.xread({"stream": "$"}, block=200), [])


@check("pubsub")
def _():
    sub = r.pubsub()
    sub.subscribe("news")
    sub.psubscribe("n*")
    equal([sub.get_message(timeout=5)["type"] for _ in range(2)], ["subscribe", "psubscribe"])
    equal(r.publish("news", "m"), 2)
    got = sorted(sub.get_message(timeout=5)["type"] for _ in range(2))
    equal(got, ["message", "pmessage"])
    sub.ping()
    equal(sub.get_message(timeout=5)["type"], "pong")
    sub.unsubscribe()
    sub.punsubscribe()
    equal([sub.get_message(timeout=5)["type"] for _ in range(2)], ["unsubscribe", "punsubscribe"])
    sub.close()


@check("pubsub in a thread")
def _():
    got = []
    sub = r.pubsub(ignore_subscribe_messages=True)
    sub.subscribe(**{"threaded": lambda m: got.append(m["data"])})
    thread = sub.run_in_thread(sleep_time=0.05)
    until(lambda: r.pubsub_numsub("threaded") == [("threaded", 1)])
    for i in range(10):
        r.publish("threaded", i)
    until(lambda: len(got) == 10)
    equal(got, [str(i) for i in range(10)])
    thread.stop()
    thread.join()


@check("pubsub_channels and pubsub_numpat")
def _():
    sub = r.pubsub()
    sub.subscribe("seen")
    sub.psubscribe("pat*")
    [sub.get_message(timeout=5) for _ in range(2)]
    equal(r.pubsub_channels("see*"), ["seen"])
    equal(r.pubsub_numpat(), 1)
    sub.close()


@check("eval")
def _():
    equal(r.eval("return {KEYS[1], ARGV[1]}", 1, "k", "a"), ["k", "a"])


@check("register_script")
def _():
    add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    for i in range(20):
        equal(add(keys=[f"script{i}"], args=[2]), 2)
    with r.pipeline(transaction=False) as p:
        add(keys=["script1"], args=[1], client=p)
        equal(p.execute(), [3])


@check("lock")
def _():
    lock = r.lock("a lock", timeout=10)
    equal(lock.acquire(), True)
    equal(r.lock("a lock", timeout=10).acquire(blocking=False), False)
    equal(lock.extend(5), True)
    equal(lock.reacquire(), True)
    lock.release()
    with r.lock("a lock", timeout=10, blocking_timeout=1):
        pass
    equal(r.exists("a lock"), 0)


@check("scan_iter")
def _():
    equal(len(set(r.scan_iter("p*", count=20))), 100)
    equal(set(r.hscan_iter("h")), {("a", "1"), ("b", "2")})


@check("keys, dbsize, randomkey")
def _():
    equal(len(r.keys("p*")), 100)
    equal(r.dbsize() >= 100, True)
    equal(r.randomkey() is not None, True)


@check("info")
def _():
    info = r.info()
    for field in ["redis_version", "connected_clients", "used_memory", "role", "db0", "maxmemory_policy", "uptime_in_seconds"]:
        if field not in info:
            raise AssertionError(f"no {field}")
    equal(info["role"], "master")
    equal(set(r.info("clients")) & {"used_memory"}, set())


@check("clients")
def _():
    named = redis.Redis(host, port, client_name="compat", decode_responses=True, single_connection_client=True, **tls)
    equal(named.client_getname(), "compat")
    listed = {c["name"]: c for c in r.client_list()}
    equal("compat" in listed, True)
    equal(r.client_info()["cmd"], "client|info")
    equal(r.client_kill_filter(_id=named.client_id()), 1)
    raises(redis.ConnectionError, named.connection.read_response)


@check("client_unblock")
def _():
    blocked = redis.Redis(host, port, decode_responses=True, single_connection_client=True, **tls)
    number = blocked.client_id()
    later(r.client_unblock, number)
    equal(blocked.blpop("nothing", timeout=10), None)


@check("server")
def _():
    equal(r.config_get("maxmemory"), {"maxmemory": "0"})
    equal(r.config_set("hz", 10), True)
    equal(len(r.time()), 2)
    equal(r.lastsave().year > 2000, True)
    equal(isinstance(r.slowlog_get(), list), True)
    equal(r.memory_usage("k") > 0, True)
    equal("get" in r.command(), True)
    equal(r.command_count() > 100, True)
    equal(r.role()[0], "master")


@check("monitor")
def _():
    with r.monitor() as m:
        later(r.get, "monitored")
        while True:
            if m.next_command()["command"] == "GET monitored":
                return


@check("functions")
def _():
    r.function_load("#!lua name=lib\nredis.register_function('add', function(k, a) return redis.call('INCRBY', k[1], a[1]) end)", replace=True)
    for i in range(20):
        equal(int(r.fcall("add", 1, f"fun{i}", 2)), 2)


@check("database 0")
def _():
    equal(redis.Redis.from_url(f"{scheme}://{host}:{port}/0", **{k: v for k, v in tls.items() if k != "ssl"}).get("k"), b"v")
    equal(r.select(0), True)


@check("a database of its own")
def _():
    in1 = redis.Redis(host, port, db=1, **tls)
    equal(in1.get("k"), None)
    equal(in1.set("k", "in one"), True)
    equal(r.get("k"), "v")
    equal(in1.flushdb(), True)


@check("HELLO 3")
def _():
    # This version of the library does not speak it.
    with dial() as s, s.makefile("rb") as f:
        s.sendall(b"HELLO 3\r\n")
        equal(f.read(1), b"%")


@check("flushdb")
def _():
    equal(r.flushdb(), True)
    equal(r.dbsize(), 0)


@check("threads")
def _():
    wrong = []

    def work(n):
        for i in range(100):
            r.set(f"thread{n}", i)
            if r.get(f"thread{n}") != str(i):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [])


@check("close")
def _():
    r.close()
    r.connection_pool.disconnect()


done()
