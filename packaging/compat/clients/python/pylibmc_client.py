"""pylibmc, on libmemcached, in the text or the binary protocol."""

import threading

import pylibmc

from check import check, done, equal, host, port, raises, variant, version

version(f"{pylibmc.__version__}, libmemcached {pylibmc.libmemcached_version}")
c = pylibmc.Client([f"{host}:{port}"], binary=variant == "binary", behaviors={"cas": True, "tcp_nodelay": True})


@check("set and get")
def _():
    equal(c.set("k", {"a": 1}, time=60), True)
    equal(c.get("k"), {"a": 1})
    equal(c.get("absent"), None)


@check("set_multi and get_multi")
def _():
    equal(c.set_multi({f"m{i}": i for i in range(100)}), [])
    equal(c.get_multi([f"m{i}" for i in range(110)]), {f"m{i}": i for i in range(100)})


@check("prefixes")
def _():
    equal(c.set_multi({"a": 1}, key_prefix="pre:"), [])
    equal(c.get("pre:a"), 1)


@check("add and replace")
def _():
    equal(c.add("k", 1), False)
    equal(c.replace("k", "w"), True)
    try:
        equal(c.replace("absent", "w"), False)
    except pylibmc.NotFound:  # as the binary protocol has it
        pass


@check("append and prepend")
def _():
    equal([c.append("k", ">"), c.prepend("k", "<"), c.get("k")], [True, True, "<w>"])


@check("gets and cas")
def _():
    value, unique = c.gets("k")
    equal(value, "<w>")
    equal(c.cas("k", "x", unique), True)
    equal(c.cas("k", "x", unique), False)


@check("incr and decr")
def _():
    c.set("n", 10)
    equal([c.incr("n", 5), c.decr("n", 1)], [15, 14])
    raises(pylibmc.NotFound, c.incr, "absent")


@check("touch")
def _():
    equal(c.touch("k", 100), True)


@check("a large value")
def _():
    equal(c.set("large", "x" * 500_000), True)
    equal(len(c.get("large")), 500_000)


@check("compression")
def _():
    equal(c.set("packed", "x" * 5000, min_compress_len=1000), True)
    equal(c.get("packed"), "x" * 5000)


@check("delete")
def _():
    equal([c.delete("k"), c.delete("k")], [True, False])
    equal(c.delete_multi(["m1", "m2"]), True)


@check("get_stats")
def _():
    equal("pid" in c.get_stats()[0][1], True)


@check("get_stats of settings")
def _():
    equal(len(c.get_stats("settings")[0][1]) > 5, True)


@check("a pool of threads")
def _():
    wrong = []
    pool = pylibmc.ThreadMappedPool(c)

    def work(n):
        with pool.reserve() as mc:
            for i in range(50):
                mc.set(f"t{n}", i)
                if mc.get(f"t{n}") != i:
                    wrong.append(n)
        pool.relinquish()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [])


@check("flush_all")
def _():
    equal(c.flush_all(), True)
    equal(c.get("m3"), None)


@check("disconnect_all")
def _():
    c.disconnect_all()


done()
