"""The functions that rq_jobs.py has done."""


def add(a, b):
    return a + b


def fails():
    raise ValueError("as intended")
