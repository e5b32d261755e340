"""Celery: tasks are sent to a queue, a worker does them, results come back."""

import os
import subprocess
import sys

from check import check, done, equal, host, port, scheme, tls, until, version

query = f"?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={tls['ssl_ca_certs']}" if tls else ""
os.environ["COMPAT_URL"] = f"{scheme}://{host}:{port}/0{query}"

import celery  # noqa: E402 the application is configured by the environment
from celery import chain, chord, group  # noqa: E402

from celery_app import add, app, at_second, fails, total  # noqa: E402

version(celery.__version__)
app.conf.broker_transport_options = {**app.conf.broker_transport_options, "max_retries": 1, "socket_timeout": 8}
app.conf.redis_socket_timeout = 8

first = []


@check("send")
def _():
    first.append(add.apply_async((1, 2), retry=False))


worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-P", "solo", "-l", "warning", "-n", f"compat-{os.getpid()}@localhost"],
    cwd=os.path.dirname(os.path.abspath(__file__)),
    stdout=sys.stderr,
)


@check("a worker answers")
def _():
    until(lambda: app.control.ping(timeout=1), 15)


@check("a result")
def _():
    equal(first[0].get(timeout=10), 3)


@check("fifty tasks")
def _():
    sent = [add.delay(n, n) for n in range(50)]
    equal([s.get(timeout=10) for s in sent], [2 * n for n in range(50)])


@check("a failing task")
def _():
    try:
        fails.delay().get(timeout=10)
    except ValueError as err:
        equal(str(err), "as intended")
        return
    raise AssertionError("it has not failed")


@check("retry")
def _():
    equal(at_second.delay().get(timeout=10), "done")


@check("countdown")
def _():
    equal(add.apply_async((1, 1), countdown=1).get(timeout=10), 2)


@check("chain")
def _():
    equal(chain(add.s(1, 1), add.s(10))().get(timeout=10), 12)


@check("group")
def _():
    equal(group(add.s(n, 1) for n in range(10))().get(timeout=10), list(range(1, 11)))


@check("chord")
def _():
    equal(chord((add.s(n, n) for n in range(10)), total.s())().get(timeout=10), 90)


@check("inspect")
def _():
    registered = app.control.inspect(timeout=2).registered()
    equal("celery_app.add" in list(registered.values())[0], True)


@check("revoke")
def _():
    sent = add.apply_async((1, 1), countdown=2)
    sent.revoke()
    try:
        sent.get(timeout=8)
    except celery.exceptions.TaskRevokedError:
        return
    raise AssertionError("it was done")


@check("purge")
def _():
    worker.terminate()
    worker.wait()
    app.control.purge()  # a worker that ends may put back what it had taken, without a proxy, too
    for _ in range(5):
        add.delay(1, 1)
    equal(app.control.purge(), 5)


worker.kill()
worker.wait()
done()
