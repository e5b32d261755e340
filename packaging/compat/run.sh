#!/usr/bin/env bash
# Runs real client libraries against plain servers and through Pinion, and prints a table. What they need is installed if
# we may, and named if we may not; it takes some minutes. In the environment:
#   ONLY       libraries to run: a pattern of their names, or several with commas (*)
#   RELOAD     the time between reloads that go on meanwhile, such as 1s: no library may notice them (none)
#   DOCUMENT   if set, packaging/doc/CLIENTS.md is written anew
set -euo pipefail
cd "$(dirname "$0")/../.."
here=packaging/compat
work=$PWD/bin/compat

. packaging/ci/need.sh
need redis-server command -v redis-server
need redis-tools command -v redis-cli
need memcached command -v memcached
need libmemcached-tools dpkg -s libmemcached-tools # its programs have different names in different releases
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdlib.h
need libhiredis-dev test -e /usr/include/hiredis/hiredis.h
need nodejs command -v node
need npm command -v npm
for module in redis celery rq pymemcache pylibmc; do need "python3-$module" /usr/bin/python3 -c "import $module"; done
need python3-memcache /usr/bin/python3 -c 'import memcache'
for gem in redis sidekiq dalli; do need "ruby-$gem" ruby -e "require '$gem'"; done
need php-cli command -v php
need php-redis php -r 'exit(extension_loaded("redis") ? 0 : 1);'
need php-memcached php -r 'exit(extension_loaded("memcached") ? 0 : 1);'
need php-predis test -e /usr/share/php/Predis/Autoloader.php
need libredis-perl perl -MRedis -e 1
need libcache-memcached-fast-perl perl -MCache::Memcached::Fast -e 1
need default-jdk-headless command -v javac
need libspymemcached-java test -e /usr/share/java/spymemcached.jar
need libnetty-java test -e /usr/share/java/netty-codec-redis.jar
need libio-socket-ssl-perl perl -MIO::Socket::SSL -e 1
need openssl command -v openssl
need prometheus-redis-exporter command -v prometheus-redis-exporter
install_needed "make compat"

rm -rf "$work/log"
mkdir -p "$work/bin" "$work/log" "$work/clients"
# npm puts what it gets beside the programs, and sources are kept free of it.
cp -r $here/clients/{java,node,perl,php,python,ruby,shell} "$work/clients/"
installed=$work/clients/node/installed.json
if ! cmp -s "$work/clients/node/package-lock.json" "$installed"; then
	npm ci --prefix "$work/clients/node" --ignore-scripts --no-audit --no-fund
	cp "$work/clients/node/package-lock.json" "$installed"
fi
go -C $here generate ./...
go -C $here vet ./...
go -C $here build -o "$work/bin/" ./...
gcc -O1 -Wall -Werror -o "$work/bin/hiredis" $here/clients/c/hiredis.c -lhiredis

"$work/bin/compat" -pinion bin/pinion -work "$work" -known $here/known.txt -only "${ONLY:-*}" ${RELOAD:+-reload "$RELOAD"} \
	${DOCUMENT:+-document packaging/doc/CLIENTS.md}
