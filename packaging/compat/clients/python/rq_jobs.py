"""rq: jobs are put into queues, a worker does them."""

import datetime
import threading

import redis
import rq
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

import rq_functions
from check import check, done, equal, host, port, tls, version

version(rq.VERSION if hasattr(rq, "VERSION") else rq.version.VERSION)
r = redis.Redis(host, port, **tls)
queue = rq.Queue(connection=r)


def work():
    rq.SimpleWorker([queue], connection=r).work(burst=True, logging_level="ERROR", with_scheduler=False)


@check("enqueue")
def _():
    job = queue.enqueue(rq_functions.add, 1, 2, job_id="first")
    equal(job.get_status(), "queued")
    equal(len(queue), 1)


@check("a worker")
def _():
    work()
    equal(Job.fetch("first", connection=r).result, 3)


@check("a forking worker")
def _():
    job = queue.enqueue(rq_functions.add, 2, 2)
    rq.Worker([queue], connection=r).work(burst=True, logging_level="ERROR")
    equal(Job.fetch(job.id, connection=r).result, 4)


@check("fifty jobs")
def _():
    jobs = [queue.enqueue(rq_functions.add, n, n) for n in range(50)]
    work()
    equal([Job.fetch(j.id, connection=r).result for j in jobs], [2 * n for n in range(50)])


@check("enqueue_many")
def _():
    queue.enqueue_many([rq.Queue.prepare_data(rq_functions.add, (n, 1)) for n in range(5)])
    equal(len(queue), 5)
    work()


@check("a failing job")
def _():
    job = queue.enqueue(rq_functions.fails)
    work()
    equal(job.id in FailedJobRegistry(queue=queue).get_job_ids(), True)


@check("a dependent job")
def _():
    a = queue.enqueue(rq_functions.add, 1, 1)
    b = queue.enqueue(rq_functions.add, 2, 2, depends_on=a)
    work()
    equal(Job.fetch(b.id, connection=r).result, 4)


@check("a scheduled job")
def _():
    job = queue.enqueue_in(datetime.timedelta(hours=1), rq_functions.add, 1, 1)
    equal(job.id in ScheduledJobRegistry(queue=queue).get_job_ids(), True)
    job.delete()


@check("cancel")
def _():
    job = queue.enqueue(rq_functions.add, 1, 1)
    job.cancel()
    equal(Job.fetch(job.id, connection=r).get_status(), "canceled")


@check("registries")
def _():
    equal(len(FinishedJobRegistry(queue=queue)) > 50, True)
    equal([q.name for q in rq.Queue.all(connection=r)], ["default"])


@check("a worker that waits")
def _():
    worker = rq.SimpleWorker([queue], connection=r)
    job = []
    threading.Timer(0.5, lambda: job.append(rq.Queue(connection=redis.Redis(host, port, **tls)).enqueue(rq_functions.add, 5, 5))).start()
    equal(rq.Queue.dequeue_any([queue], 10, connection=r)[0].result, None)
    equal(worker.queue_names(), ["default"])


@check("empty")
def _():
    queue.enqueue(rq_functions.add, 1, 1)
    equal(queue.empty(), 1)


done()
