#!/usr/bin/env bash
# Runs everything that can be run on one machine. The end-to-end tests need the real servers and the real nutcracker:
# what is missing is installed if we may, and named if we may not.
set -euo pipefail
cd "$(dirname "$0")/../.."

. packaging/ci/need.sh
need gcc command -v gcc # the race detector is linked by it, to what is in the next one
need libc6-dev test -e /usr/include/stdlib.h
need redis-server command -v redis-server
need redis-tools command -v redis-benchmark
need memcached command -v memcached
need libmemcached-tools dpkg -s libmemcached-tools # its programs have different names in different releases
need nutcracker command -v nutcracker
need supervisor command -v supervisord
need runit command -v runsv
need haproxy command -v haproxy
need openssl command -v openssl # speaks TLS that crypto/tls does not choose by itself
need python3-redis /usr/bin/python3 -c 'import redis'

install_needed "the end-to-end tests"

unformatted=$(gofmt -l .)
if [[ $unformatted ]]; then
	echo "not formatted by gofmt: $unformatted" >&2
	exit 1
fi
go vet ./...
# With the race detector a process waits before it ends, by default a second, and the tests end thousands.
export GORACE=${GORACE:-atexit_sleep_ms=10}
go test -race -timeout 15m ./...
# What breaks system calls needs a build of its own.
go test -tags fault ./worker/fault
go test -tags fault -run Faulty ./worker/core
# The race detector makes sync.Pool forget at random, so what allocates nothing is shown without it.
go test -run Alloc ./codec/... ./shard/... ./worker/...
