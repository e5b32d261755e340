"""What all programs in Python share: they try one thing after the other, and say what came of each."""

import os
import signal
import socket
import ssl
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
variant = os.environ.get("COMPAT_VARIANT", "")
_tls = os.environ.get("COMPAT_TLS")
# What redis-py takes to speak TLS, and where it is spoken a context for others.
tls = {}
context = None
scheme = "redis"
if _tls:
    context = ssl.create_default_context()
    scheme = "rediss"
    tls = {"ssl": True, "ssl_ca_certs": os.environ["SSL_CERT_FILE"]}
if _tls == "certificate":
    tls |= {"ssl_certfile": os.environ["COMPAT_CERT"], "ssl_keyfile": os.environ["COMPAT_KEY"]}
    context.load_cert_chain(os.environ["COMPAT_CERT"], os.environ["COMPAT_KEY"])
LIMIT = 20  # seconds that one check may take


class TooLate(BaseException):
    """No Exception, so that no library takes it for one of a socket."""


def _late(*_):
    raise TooLate(f"has not ended within {LIMIT} s")


def say(line):
    """Says it in one write: processes that a program has started may share its output."""
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), (line + "\n").encode())


def version(text):
    say(f"version {text}")


def dial():
    """A connection without a library."""
    connection = socket.create_connection((host, port))
    return context.wrap_socket(connection, server_hostname=host) if context else connection


def wait():
    """Has everything of Pinion replaced under the connections that are open now, where TLS is spoken; once."""
    global _tls
    if _tls:
        _tls = None
        say("waits")
        sys.stdin.readline()


def check(name):
    """Decorates a function that is called at once, and has failed if it raises."""

    def run(function):
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(LIMIT)
        try:
            function()
        except (Exception, TooLate) as err:
            reason = " ".join(f"{type(err).__name__}: {err}".split())
            say(f"FAIL {name}: {reason[:400]}")
        else:
            say(f"ok {name}")
            signal.alarm(0)
            wait()
        finally:
            signal.alarm(0)
        return function

    return run


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def raises(kind, function, *args, **kwargs):
    try:
        got = function(*args, **kwargs)
    except kind:
        return
    raise AssertionError(f"got {got!r}, want {kind.__name__}")


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("what is waited for has not come")


def done():
    say("done")
    os._exit(0)  # threads of libraries do not matter
