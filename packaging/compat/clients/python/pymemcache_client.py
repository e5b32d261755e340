"""pymemcache: the text protocol."""

import pymemcache
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient

from check import check, context, done, equal, host, port, version

version(pymemcache.__version__)
c = Client((host, port), tls_context=context)


@check("set and get")
def _():
    equal(c.set("k", "v", expire=60, noreply=False), True)
    equal(c.get("k"), b"v")
    equal(c.get("absent"), None)


@check("noreply, its default")
def _():
    for i in range(50):
        c.set(f"m{i}", str(i))
    equal(c.get("m49"), b"49")


@check("get_many and set_many")
def _():
    equal(c.set_many({f"n{i}": str(i) for i in range(50)}), [])
    equal(len(c.get_many([f"n{i}" for i in range(50)])), 50)


@check("add, replace, append, prepend")
def _():
    equal(c.add("k", "x", noreply=False), False)
    equal(c.replace("k", "w", noreply=False), True)
    c.append("k", ">")
    c.prepend("k", "<")
    equal(c.get("k"), b"<w>")


@check("gets and cas")
def _():
    _, unique = c.gets("k")
    equal(c.cas("k", "x", unique), True)
    equal(c.cas("k", "x", unique), False)


@check("incr and decr")
def _():
    c.set("c", "10")
    equal(c.incr("c", 5), 15)
    equal(c.decr("c", 1), 14)


@check("touch")
def _():
    equal(c.touch("k", 100, noreply=False), True)


@check("delete")
def _():
    equal(c.delete("k", noreply=False), True)
    equal(c.delete_many(["m1", "m2"], noreply=False), True)


@check("version")
def _():
    equal(c.version()[:2], b"1.")


@check("stats")
def _():
    equal(b"pid" in c.stats(), True)
    equal(len(c.stats("settings")) > 0, True)


@check("PooledClient")
def _():
    p = PooledClient((host, port), max_pool_size=4, tls_context=context)
    p.set("pooled", "1", noreply=False)
    equal(p.get("pooled"), b"1")
    p.close()


@check("HashClient")
def _():
    h = HashClient([(host, port)], tls_context=context)
    h.set_many({f"h{i}": str(i) for i in range(20)})
    equal(len(h.get_many([f"h{i}" for i in range(20)])), 20)
    h.quit()


@check("flush_all")
def _():
    equal(c.flush_all(noreply=False), True)
    equal(c.get("n1"), None)


@check("quit")
def _():
    c.quit()


done()
