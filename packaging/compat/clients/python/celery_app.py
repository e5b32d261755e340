"""The tasks that celery_tasks.py sends, and its worker does."""

import os

from celery import Celery

url = os.environ["COMPAT_URL"]
prefix = os.environ.get("COMPAT_VARIANT", "")
app = Celery("celery_app", broker=url, backend=url)
app.conf.worker_hijack_root_logger = False
app.conf.broker_connection_retry = False
app.conf.result_expires = 600
if prefix:
    app.conf.broker_transport_options = {"global_keyprefix": prefix}
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}

tries = []


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def at_second(self):
    tries.append(1)
    if len(tries) < 2:
        raise self.retry(countdown=0.5)
    return "done"


@app.task
def fails():
    raise ValueError("as intended")
