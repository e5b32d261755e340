"""python-memcached: the text protocol."""

import memcache

from check import check, done, equal, host, port, version

version(memcache.__version__)
c = memcache.Client([f"{host}:{port}"], cache_cas=True, socket_timeout=5)


@check("set and get")
def _():
    equal(bool(c.set("k", {"a": [1, 2]}, time=60)), True)
    equal(c.get("k"), {"a": [1, 2]})
    equal(c.get("absent"), None)


@check("set_multi and get_multi")
def _():
    equal(c.set_multi({f"m{i}": i for i in range(50)}), [])
    equal(c.get_multi([f"m{i}" for i in range(50)]), {f"m{i}": i for i in range(50)})


@check("a large value")
def _():
    equal(bool(c.set("large", "x" * 500_000, min_compress_len=0)), True)
    equal(len(c.get("large")), 500_000)


@check("gets and cas")
def _():
    c.gets("m1")
    equal(bool(c.cas("m1", "new")), True)
    equal(c.get("m1"), "new")


@check("incr, decr, append, prepend")
def _():
    c.set("n", "10")
    equal(c.incr("n", 5), 15)
    equal(c.decr("n"), 14)
    c.set("s", "x")
    c.append("s", ">")
    c.prepend("s", "<")
    equal(c.get("s"), "<x>")


@check("touch and delete")
def _():
    equal(bool(c.touch("s", 100)), True)
    equal(bool(c.delete("s")), True)


@check("get_stats")
def _():
    equal("pid" in c.get_stats()[0][1], True)


@check("flush_all")
def _():
    c.flush_all()
    equal(c.get("m2"), None)


@check("disconnect_all")
def _():
    c.disconnect_all()


done()
