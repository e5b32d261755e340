// The libraries, and how the program of each is started.

package main

import "strings"

// library is one client library in one manner of use.
type library struct {
	name      string
	source    string // where run.sh has got it
	memcached bool
	tls       string   // how the program speaks TLS: noTLS, or another of that list
	onlyTLS   bool     // it does nothing without
	variant   string   // what the program gets in COMPAT_VARIANT: a manner of use
	program   []string // without host and port; bin/ is in the work folder, the rest relative to the sources of clients
}

const (
	debian = "Debian"
	npm    = "npm"
	goes   = "Go"
)

var libraries = []library{
	{name: "redis-py", source: debian, tls: certificate, program: []string{python, "python/redis_py.py"}},
	{name: "redis-py asyncio", source: debian, tls: tls12, program: []string{python, "python/redis_py_asyncio.py"}},
	{name: "celery", source: debian, tls: tls13, program: []string{python, "python/celery_tasks.py"}},
	{name: "celery, global_keyprefix {c}", source: debian, tls: tls13, variant: "{c}", program: []string{python, "python/celery_tasks.py"}},
	{name: "rq", source: debian, tls: tls13, program: []string{python, "python/rq_jobs.py"}},
	{name: "node-redis", source: npm, tls: tls13, program: []string{"node", "node/node_redis.mjs"}},
	{name: "node-redis, RESP 2", source: npm, tls: tls12, variant: "2", program: []string{"node", "node/node_redis.mjs"}},
	{name: "ioredis", source: npm, tls: certificate, program: []string{"node", "node/ioredis.mjs"}},
	{name: "valkey-glide", source: npm, tls: tls13, program: []string{"node", "node/glide.mjs"}},
	{name: "BullMQ", source: npm, tls: tls13, program: []string{"node", "node/bullmq.mjs"}},
	{name: "BullMQ, prefix {b}", source: npm, tls: tls13, variant: "{b}", program: []string{"node", "node/bullmq.mjs"}},
	{name: "Bull", source: npm, tls: tls13, program: []string{"node", "node/bull.mjs"}},
	{name: "Bull, prefix {b}", source: npm, tls: tls13, variant: "{b}", program: []string{"node", "node/bull.mjs"}},
	{name: "socket.io adapter", source: npm, tls: tls13, program: []string{"node", "node/socketio.mjs"}},
	{name: "go-redis", source: goes, tls: tls13, program: []string{"bin/goredis"}},
	{name: "go-redis, RESP 2", source: goes, tls: tls12, variant: "2", program: []string{"bin/goredis"}},
	{name: "rueidis", source: goes, tls: tls13, program: []string{"bin/rueidis"}},
	{name: "valkey-go", source: goes, tls: certificate, program: []string{"bin/valkeygo"}},
	{name: "redigo", source: goes, tls: tls12, program: []string{"bin/redigo"}},
	{name: "asynq", source: goes, tls: tls13, program: []string{"bin/asynq"}},
	{name: "redis_exporter", source: debian, tls: tls13, program: []string{"bin/exporter"}},
	{name: "redis-rb", source: debian, tls: tls12, program: []string{"ruby", "ruby/redis_rb.rb"}},
	{name: "sidekiq", source: debian, tls: tls13, program: []string{"ruby", "ruby/sidekiq_jobs.rb"}},
	{name: "phpredis", source: debian, tls: tls13, program: []string{"php", "php/phpredis.php"}},
	{name: "Predis", source: debian, tls: tls13, program: []string{"php", "php/predis.php"}},
	{name: "Redis.pm", source: debian, tls: tls13, program: []string{"perl", "perl/redis.pl"}},
	{name: "hiredis", source: debian, program: []string{"bin/hiredis"}},
	{name: "redis-cli", source: debian, tls: certificate, program: []string{"bash", "shell/redis_cli.sh"}},
	{name: "redis-benchmark", source: debian, tls: tls13, program: []string{"bash", "shell/redis_benchmark.sh"}},
	{name: "redis-benchmark, 1.2", source: debian, tls: tls12, onlyTLS: true, program: []string{"bash", "shell/redis_benchmark.sh"}},
	{name: "openssl s_client, K and k", source: debian, tls: tls13, onlyTLS: true, program: []string{"bash", "shell/s_client.sh"}},
	{name: "netty, codec-redis", source: debian, tls: tls13, program: netty},
	{name: "netty, KeyUpdate after each 128 KiB", source: debian, tls: tls13, onlyTLS: true, variant: "updates", program: netty},
	{name: "netty, 1.2", source: debian, tls: tls12, onlyTLS: true, program: netty},

	{name: "gomemcache", source: goes, memcached: true, tls: tls13, program: []string{"bin/gomemcache"}},
	{name: "pymemcache", source: debian, memcached: true, tls: tls13, program: []string{python, "python/pymemcache_client.py"}},
	{name: "python-memcached", source: debian, memcached: true, program: []string{python, "python/python_memcached.py"}},
	{name: "pylibmc, text", source: debian, memcached: true, variant: "text", program: []string{python, "python/pylibmc_client.py"}},
	{name: "pylibmc, binary", source: debian, memcached: true, variant: "binary", program: []string{python, "python/pylibmc_client.py"}},
	{name: "php-memcached", source: debian, memcached: true, program: []string{"php", "php/memcached.php"}},
	{name: "php-memcached, binary", source: debian, memcached: true, variant: "binary", program: []string{"php", "php/memcached.php"}},
	{name: "Cache::Memcached::Fast", source: debian, memcached: true, program: []string{"perl", "perl/memcached_fast.pl"}},
	{name: "dalli, binary", source: debian, memcached: true, tls: tls13, variant: "binary", program: []string{"ruby", "ruby/dalli_client.rb"}},
	{name: "dalli, meta", source: debian, memcached: true, tls: tls12, variant: "meta", program: []string{"ruby", "ruby/dalli_client.rb"}},
	{name: "memjs", source: npm, memcached: true, program: []string{"node", "node/memjs.mjs"}},
	{name: "memcached (npm)", source: npm, memcached: true, program: []string{"node", "node/memcached.mjs"}},
	{name: "spymemcached, text", source: debian, memcached: true, variant: "text", program: java},
	{name: "spymemcached, binary", source: debian, memcached: true, variant: "binary", program: java},
	{name: "libmemcached tools, text", source: debian, memcached: true, variant: "text", program: []string{"bash", "shell/libmemcached.sh"}},
	{name: "libmemcached tools, binary", source: debian, memcached: true, variant: "binary", program: []string{"bash", "shell/libmemcached.sh"}},
}

// Debian's modules belong to Debian's python.
const python = "/usr/bin/python3"

var netty = []string{"java", "-cp", strings.Join([]string{
	"/usr/share/java/netty-buffer.jar", "/usr/share/java/netty-codec.jar", "/usr/share/java/netty-codec-redis.jar", "/usr/share/java/netty-common.jar",
	"/usr/share/java/netty-handler.jar", "/usr/share/java/netty-resolver.jar", "/usr/share/java/netty-transport.jar",
}, ":"), "java/Netty.java"}

var java = []string{"java", "-cp", "/usr/share/java/spymemcached.jar", "java/Spymemcached.java"}
