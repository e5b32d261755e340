"""What an application does with redis-py and its default settings, through the proxy at 127.0.0.1:<argument>."""

import sys

import redis

client = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]))


def refused(error, call, *args):
    try:
        call(*args)
    except redis.ResponseError as e:
        assert error in str(e), e
    else:
        raise AssertionError(f"{call} was not refused")


assert client.ping()
assert client.echo("hello") == b"hello"
for i in range(300):
    assert client.set(f"key:{i}", i)
assert client.mget([f"key:{i}" for i in range(300)]) == [str(i).encode() for i in range(300)]
assert client.exists(*[f"key:{i}" for i in range(400)]) == 300
assert client.delete(*[f"key:{i}" for i in range(100)]) == 100
assert client.mset({f"new:{i}": "x" * i for i in range(50)})
assert client.get("new:49") == b"x" * 49
assert client.hset("hash", mapping={"a": 1, "b": 2}) == 2
assert client.hgetall("hash") == {b"a": b"1", b"b": b"2"}
assert client.zadd("zset", {"one": 1, "two": 2}) == 2
assert client.zrange("zset", 0, -1, withscores=True) == [(b"one", 1.0), (b"two", 2.0)]
assert client.xadd("stream", {"field": "value"}, id="1-1") == b"1-1"
assert client.xread({"stream": "0"}) == [[b"stream", [(b"1-1", {b"field": b"value"})]]]
assert dict(client.hscan_iter("hash")) == {b"a": b"1", b"b": b"2"}
assert client.eval("return redis.call('incrby', KEYS[1], ARGV[1])", 1, "counter", 5) == 5
assert client.client_setname("tester") and client.client_getname() == "tester"
assert "pinion_version" in client.info()
assert client.object("encoding", "counter") == b"int"

with client.pipeline(transaction=False) as pipe:
    for i in range(200):
        pipe.incr("counter").get(f"new:{i % 50}")
    replies = pipe.execute()
assert replies[0::2] == list(range(6, 206))
assert replies[1::2] == [b"x" * (i % 50) for i in range(200)]

with client.pipeline() as pipe:  # the default is a transaction
    replies = pipe.incr("{one}counter").set("{one}key", "value").get("{one}key").lpush("{one}key", 1).execute(raise_on_error=False)
assert replies[:3] == [1, True, b"value"], replies
assert isinstance(replies[3], redis.ResponseError)
with client.pipeline() as pipe:
    for i in range(20):
        pipe.set(f"several:{i}", i)
    refused("CROSSSHARD", pipe.execute)
assert client.exists(*[f"several:{i}" for i in range(20)]) == 0

refused("CROSSSHARD", client.sunion, *[f"set:{i}" for i in range(20)])
assert b"new:1" in client.keys("*")
assert client.get("new:1") == b"x"
