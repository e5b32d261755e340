// The one table of keys: parsers, printed configuration and documentation all follow from it.

package config

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Scope says where a key may stand.
type Scope uint8

const (
	PoolScope   Scope = iota // in a pool
	GlobalScope              // under "global:", or before the first pool of the short form
)

var scopeNames = [...]string{PoolScope: "pool", GlobalScope: "global"}

// String returns "pool" or "global".
func (s Scope) String() string { return scopeNames[s] }

// Key describes one key of the configuration.
type Key struct {
	Name    string
	Scope   Scope
	Default string // as it would be written; empty = unset; "required" = there is none
	Unit    string // "ms" or "µs" for a time; empty otherwise
	Doc     string // Markdown, without a full stop

	secret bool // the value is for Print only
	redis  bool // says nothing in a pool of memcached
	value
}

const (
	serversKey        = "servers"
	required          = "required"
	maxCoalesceMicros = 10_000 // longer than any client would take for the network
	maxDatabases      = 1024   // each takes connections to every server
)

var keys = [...]Key{
	{Name: "listen", Default: required, value: value{set: setListen, get: getListen, more: true},
		Doc: "address of the clients: `host:port`, or `/path` with optional octal permissions (`/run/a.sock 0660`); in YAML also a list of several. " +
			"Where `tls` stands behind an address (`10.0.0.1:6380 tls`), clients speak TLS there, see TLS.md"},
	{Name: "redis", Default: "false",
		value: choice(func(d *draft) *link.Protocol { return &d.pool.Protocol }, protocols[:]),
		Doc:   "the protocol: `true` for Redis, `false` for memcached (short form: `protocol redis`, its default)"},
	{Name: "hash", Default: "fnv1a_64",
		value: named(func(d *draft) *string { return &d.pool.Hash }, hash.Names()),
		Doc:   "hash function: " + list(hash.Names())},
	{Name: "hash_tag", value: value{set: setHashTag, get: getHashTag},
		Doc: "two characters; only the part of a key between them is hashed: `{}` keeps `{u1}.a` and `{u1}.b` together"},
	{Name: "distribution", Default: "ketama",
		value: named(func(d *draft) *string { return &d.pool.Distribution }, shard.DistributionNames()),
		Doc:   "how hashes become servers: " + list(shard.DistributionNames())},
	{Name: "timeout", Default: "0", Unit: "ms",
		value: value{set: setTimeout, get: millis(timeout).get},
		Doc:   "how long to wait for a server to connect or to answer; 0 = for ever, but 10 s for AUTH and SELECT"},
	{Name: "backlog", Default: "512",
		value: number(func(d *draft) *int { return &d.pool.Backlog }, 0),
		Doc:   "length of the queue of connections not yet accepted, see listen(2)"},
	{Name: "client_connections", Default: "0",
		value: number(func(d *draft) *int { return &d.pool.ClientConnections }, 0),
		Doc: "most clients at a time, over all workers; 0 = no limit of its own (nutcracker reads the key, but never " +
			"enforces it)"},
	{Name: "client_idle_timeout", Default: "0", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.pool.ClientIdleTimeout }),
		Doc:   "how long a client may neither ask for anything nor wait for a reply before it is closed; 0 = for ever"},
	{Name: "max_outstanding_requests", Default: "4096",
		value: number(func(d *draft) *int { return &d.pool.ClientOutstanding }, 1),
		Doc:   "requests of a client that wait for replies; beyond that it is not read"},
	{Name: "client_output_soft", Default: "1m",
		value: size(func(d *draft) *int64 { return &d.pool.ClientOutputSoft }, minBufferBytes, maxMemoryBytes),
		Doc: "size of the replies that a client has not taken yet, beyond which it is not read while half of `memory_limit` or more " +
			"is held, and closed if it then takes nothing for 10 s"},
	{Name: "client_output_hard", Default: "1g",
		value: size(func(d *draft) *int64 { return &d.pool.ClientOutputHard }, minBufferBytes, maxMemoryBytes),
		Doc:   "the same, beyond which it is closed in any case; at least `client_output_soft`"},
	{Name: "subscriber_output_hard", Default: "32m", redis: true,
		value: size(func(d *draft) *int64 { return &d.pool.SubscriberOutput }, minBufferBytes, maxMemoryBytes),
		Doc:   "the same for a client that has subscribed to channels or patterns, or monitors, if that is less than `client_output_hard`"},
	{Name: "max_request_bytes", Default: "512m",
		value: size(func(d *draft) *int64 { return &d.pool.MaxRequestBytes }, minBufferBytes, maxRequestBytes),
		Doc:   "largest size of one request, from `1k` to one byte less than `2g`; a larger one gets an error"},
	{Name: "tcpkeepalive", Default: "false",
		value: boolean(func(d *draft) *bool { return &d.pool.TCPKeepalive }),
		Doc:   "set SO_KEEPALIVE on client connections"},
	{Name: "reuseport", Default: "false", value: value{set: setReuseport},
		Doc: "accepted and ignored: workers always share the address by SO_REUSEPORT"},
	{Name: "redis_auth", secret: true,
		value: value{set: setPassword, get: getPassword},
		Doc: "the password: clients must give it, and it is given to the servers, of which one without a password takes any; " +
			"needs `redis: true`"},
	{Name: "memcached_auth", secret: true,
		value: value{set: setCredentials, get: getCredentials},
		Doc: "`user:password`: clients must give it, by SASL PLAIN in the binary protocol or by their first `set` in text, and servers that " +
			"ask for it (`memcached -Y`) are given it; needs `redis: false`"},
	{Name: usersKey, secret: true, value: value{set: addUser, get: getUsers, many: true},
		Doc: "list of users, each a line as behind `user` in Redis' access lists, `app on >password ~app:* +@read` (short form: `user app on …`), see " +
			"USERS.md; who is not among them cannot log in, and `default` is who has not logged in; of memcached only names and passwords"},
	{Name: aclFileKey, value: value{set: setACLFile, get: func(d *draft) []string { return unlessEmpty(d.pool.aclFile) }},
		Doc: "the same from a file, of lines `user NAME RULES` as Redis' own: an absolute path, or the name of a credential of systemd; it is read " +
			"when Pinion starts or reloads"},
	{Name: serverUserKey, value: value{set: setServerUser, get: text(func(d *draft) *string { return &d.pool.ServerUser }).get},
		Doc: "the user that the servers know Pinion by; without it their default user; needs a password"},
	{Name: serverPasswordKey, secret: true, value: value{set: setServerPassword, get: func(d *draft) []string { return serverPasswordFileOf(d).unlessInFile() }},
		Doc: "the password for the servers, where it is another one than clients give: clients need not give any then, unless another key says so"},
	{Name: serverPasswordFileKey, value: passwordIn(serverPasswordKey, serverPasswordFileOf),
		Doc: "a file with that password: an absolute path, or the name of a credential of systemd (`LoadCredential=NAME:/path` in the " +
			"unit), which is looked for in `$CREDENTIALS_DIRECTORY`; it is read when Pinion starts or reloads"},
	{Name: "redis_db", Default: "0", redis: true,
		value: number(func(d *draft) *int { return &d.pool.DB }, 0),
		Doc:   "the database to SELECT on the servers; clients may SELECT this one and, without `databases`, no other"},
	{Name: "databases", Default: "1", redis: true,
		value: value{set: setDatabases, get: number(func(d *draft) *int { return &d.pool.Databases }, 1).get},
		Doc: "clients may SELECT the databases below this number, each by itself; for each that is in use a worker has " +
			"`server_connections` more to each server, which close when they are idle for a minute; 1 = only `redis_db`; at most 1024"},
	{Name: "preconnect", Default: "false",
		value: boolean(func(d *draft) *bool { return &d.pool.Preconnect }),
		Doc: "connect to all servers at start instead of at the first request: one connection to each at once, the others as " +
			"fast as the server accepts them"},
	{Name: "auto_eject_hosts", Default: "false",
		value: boolean(func(d *draft) *bool { return &d.pool.AutoEjectHosts }),
		Doc: "leave out a server after `server_failure_limit` failures in a row; its keys move to the others " +
			"meanwhile"},
	{Name: "on_failure",
		value: choice(func(d *draft) *link.OnFailure { return &d.pool.OnFailure }, onFailures[:]),
		Doc: "the keys of a server that has failed `server_failure_limit` times in a row: `remap` = they live on the others meanwhile, as with " +
			"`auto_eject_hosts: true` (a cache); `fail_fast` = they stay, and requests for them get an error at once, until a probe succeeds (a " +
			"store); `hold` = they stay, and requests for them wait by `failover_wait`, by default 5000; without it, what `auto_eject_hosts` says"},
	{Name: "server_connections", Default: "1",
		value: number(func(d *draft) *int { return &d.pool.ServerConnections }, 1),
		Doc:   "connections of each worker to each server"},
	{Name: "dedicated_connections", Default: "1024", redis: true,
		value: number(func(d *draft) *int { return &d.pool.Dedicated }, 0),
		Doc: "connections to each server, of all workers together, that belong to one client each while it needs one: for BLPOP and " +
			"what else waits in the server; beyond that such commands get an error; 0 = none"},
	{Name: "server_retry_timeout", Default: "30000", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.pool.ServerRetryTimeout }),
		Doc:   "how long an ejected server is left alone before it is probed, and between probes, which are 100 ms apart at least"},
	{Name: "server_retry_max", Default: "0", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.pool.ServerRetryMax }),
		Doc: "the pause between probes doubles with each that fails, from `server_retry_timeout` up to this, less up to a quarter by chance, so " +
			"that not all Pinions ask at once; 0 = it stays the same"},
	{Name: "probe_interval", Default: "0", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.pool.ProbeInterval }),
		Doc: "how often live servers are probed, too, at least 100: no answer within `timeout` (or a second without one), and `LOADING` " +
			"or `MASTERDOWN` for an answer are failures; one worker asks for all; 0 = only ejected ones are"},
	{Name: "eject_latency", Default: "0",
		value: value{set: setEjectLatency, get: number(func(d *draft) *int { return &d.pool.EjectLatency }, 0).get},
		Doc: "how many times longer than the others a server may take before it is ejected as one that fails, at least 2: by the median of its " +
			"replies, three seconds in a row, and never more than one server in three; needs `on_failure: remap` and three servers; `server_retry_max` " +
			"is ten times `server_retry_timeout` then, unless it is given; 0 = any time"},
	{Name: "eject_latency_floor", Default: "10", Unit: "ms", value: millis(ejectLatencyFloor),
		Doc: "no server is ejected by `eject_latency` that takes less than this"},
	{Name: "slow_start", Default: "0", Unit: "ms", value: value{set: setSlowStart, get: millis(slowStart).get},
		Doc: "in which time a server that has come back gets its keys, some and then more of them, at least 1000; until then the others have them; " +
			"needs `on_failure: remap`; 0 = it gets all at once"},
	{Name: "server_failure_limit", Default: "2",
		value: number(func(d *draft) *int { return &d.pool.ServerFailureLimit }, 0),
		Doc:   "failures in a row that eject a server; what breaks many connections at once is one"},
	{Name: "failover_wait", Default: "0", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.pool.FailoverWait }),
		Doc: "how long requests wait for a server that is down, until it is back: all that were not sent, and reads whose connection " +
			"was lost; 0 = not at all, they get an error at once; with `sentinels`, `cluster` or `on_failure: hold` the default is 5000"},
	{Name: "slowlog_us", Default: "10000", Unit: "µs",
		value: duration(func(d *draft) *time.Duration { return &d.pool.SlowLog }, time.Microsecond, math.MaxInt32),
		Doc: "requests whose clients wait for the reply for so long are in the slow log, see `pinion slowlog`; 0 = none (those that may wait in the server, " +
			"as BLPOP, are not)"},
	{Name: "cross_shard", Default: string(link.CrossShardRefuse), redis: true,
		value: choice(func(d *draft) *link.CrossShard { return &d.pool.CrossShard }, crossShards[:]),
		Doc: "a command whose keys live on different servers: `refuse` it, or send it to the server of its `first_key`, " +
			"as nutcracker does. With `distribution: random` keys live nowhere: any server gets the whole command"},
	{Name: "mget_errors", Default: string(link.MGetErrorsAll), redis: true,
		value: choice(func(d *draft) *link.MGetErrors { return &d.pool.MGetErrors }, mgetErrors[:]),
		Doc: "an MGET of which some servers failed: one error for `all`, or an error in place of the value, " +
			"`per_key`"},
	{Name: "drain_ping", Default: string(link.DrainPingPong), redis: true,
		value: choice(func(d *draft) *link.DrainPing { return &d.pool.DrainPing }, drainPings[:]),
		Doc: "what a PING without an argument is answered from when a drain is announced (`drain_delay`, `pinion drain --after`): `pong` as before, or an " +
			"`error`, for load balancers that check with PING; applications may do so, too"},
	{Name: "deny", Default: resp.DenyDefault, redis: true, value: value{set: setDeny, get: getDeny, list: true},
		Doc: "Redis commands that clients may not use: a list of commands, of subcommands as Redis writes them in its access lists, " +
			"and of the groups " + list(resp.DenyNames()) + "; or `none`. `default` is what reaches beyond the pool's keys or concerns the " +
			"servers themselves; a list that does not name it replaces it"},
	{Name: "sentinels", value: value{set: setSentinels, get: getSentinels, list: true},
		Doc: "list of `host:port` of the Redis or Valkey Sentinels that know where the masters are, which `servers` names then: three " +
			"on three machines, as the failover needs; needs `redis: true`"},
	{Name: "sentinel_user",
		value: text(func(d *draft) *string { return &d.pool.SentinelUser }),
		Doc:   "the user that the sentinels know Pinion by; without it, their default user"},
	{Name: "sentinel_password", secret: true,
		value: text(func(d *draft) *string { return &d.pool.SentinelPassword }),
		Doc:   "the password for the sentinels, who do not ask for `redis_auth`"},
	{Name: "cluster", Default: "false", redis: true, value: value{set: setCluster, get: getCluster},
		Doc: "`true`: the servers are nodes of a Redis or Valkey Cluster, which says itself where its keys are: `servers` names some of " +
			"its nodes, as `host:port`, of which one at least answers when Pinion starts; needs `redis: true`"},
	{Name: "tls_cert", value: fileList(func(d *draft) *[]string { return &d.pool.clientTLS.certificates }),
		Doc: "file with the certificate that clients are shown, and behind it those that lead to its authority; in YAML also a list of several, of which each client gets " +
			"that for the name that it asks for (SNI)"},
	{Name: "tls_key", value: fileList(func(d *draft) *[]string { return &d.pool.clientTLS.keys }),
		Doc: "file with the private key of `tls_cert`, without a passphrase; for several, a list in the same order"},
	{Name: "tls_ca", value: file(func(d *draft) *string { return &d.pool.clientTLS.ca }),
		Doc: "file with the certificates of the authorities that may have signed those of clients"},
	{Name: "tls_auth_clients", Default: string(link.AuthClientsNo),
		value: choice(func(d *draft) *link.AuthClients { return &d.pool.clientTLS.auth }, authClients[:]),
		Doc:   "whether clients must show a certificate (`yes`), may (`optional`, and one that is shown must be good), or are not asked (`no`); needs `tls_ca`"},
	{Name: "tls_auth_clients_user", Default: string(link.CertificateUserOff),
		value: choice(func(d *draft) *link.CertificateUser { return &d.pool.clientTLS.user }, certificateUsers[:]),
		Doc:   "which user of the pool a client is by its certificate: that of the common name (`cn`), that of the URI among its names (`uri`), or none (`off`)"},
	{Name: "tls_handshake_timeout", Default: "10000", Unit: "ms", value: value{set: setTLSTimeout, get: millis(tlsTimeout).get},
		Doc: "how long a client may take for the handshake of TLS before it is closed"},
	{Name: "server_tls", Default: "false",
		value: boolean(func(d *draft) *bool { return &d.pool.serverTLS.on }),
		Doc: "`true`: connections to the servers are encrypted by TLS 1.2 or 1.3, see TLS.md; also those to replicas, to the nodes of a `cluster`, and to " +
			"`sentinels` unless `sentinel_tls` is false"},
	{Name: "server_tls_ca", value: file(func(d *draft) *string { return &d.pool.serverTLS.ca }),
		Doc: "file with the certificates of the authorities that may have signed those of the servers; without it, those that the system trusts"},
	{Name: "server_tls_cert", value: file(func(d *draft) *string { return &d.pool.serverTLS.certificate }),
		Doc: "file with the certificate that is shown to servers that ask for one (`tls-auth-clients` of Redis, `ssl_verify_mode` of memcached), and behind it " +
			"those that lead to its authority; without it, none is shown"},
	{Name: "server_tls_key", value: file(func(d *draft) *string { return &d.pool.serverTLS.key }),
		Doc: "file with the private key of `server_tls_cert`, without a passphrase; all three are absolute paths, or names of credentials of systemd"},
	{Name: "server_tls_name", value: value{set: setServerName, get: getServerName},
		Doc: "the name that certificates of servers have to bear, and that servers are asked for (SNI); without it, the host by which each server is found"},
	{Name: "server_tls_verify", Default: string(link.VerifyFull),
		value: choice(func(d *draft) *link.Verify { return &d.pool.serverTLS.verify }, verifies[:]),
		Doc: "what a server's certificate must be: of a known authority, valid, and for the server's name (`full`); the same for whatever name (`ca`); or " +
			"anything (`none`), and then whoever is in between can read and change all"},
	{Name: "sentinel_tls", Default: "true", redis: true, value: value{set: setSentinelTLS, get: getSentinelTLS},
		Doc: "`false`: the `sentinels` themselves are asked in plaintext, though `server_tls` is true"},
	{Name: "read_from", Default: string(link.ReadFromMaster), redis: true,
		value: choice(func(d *draft) *link.ReadFrom { return &d.pool.ReadFrom }, readFroms[:]),
		Doc: "where reads go that replicas can answer: to the `master`; to a replica if one is fit, else to the master (`prefer_replica`); to a " +
			"replica or nowhere (`replica`); to any of both, those of the process's `zone` first (`nearest`)"},
	{Name: "max_replica_lag", Default: "0", Unit: "ms", redis: true,
		value: value{set: setMaxReplicaLag, get: millis(maxReplicaLag).get},
		Doc: "how old the data of a replica may be that is read from; at least 200, since replicas are looked at ten times a second; 0 = no limit, as " +
			"long as the replica hears its master"},
	{Name: "read_your_writes", Default: "0", Unit: "ms", redis: true,
		value: millis(func(d *draft) *time.Duration { return &d.pool.ReadYourWrites }),
		Doc:   "for how long after its latest write a client reads from the master; 0 = not at all: it may not see yet what it has written"},
	{Name: serversKey, Default: required, value: value{set: addServer, get: getServers, many: true},
		Doc: "list of `host:port:weight [name]` or `/path:weight [name]` (short form: `backend NAME ADDRESS " +
			"[weight=N]`); without a name, the address decides where keys live. With `sentinels`: `master:weight [name]`; with `cluster`: `host:port`. " +
			"A server with replicas or a zone is a map of `server`, `replicas` and `zone`"},

	{Name: "workers", Scope: GlobalScope, Default: auto, value: value{set: setWorkers, get: getWorkers},
		Doc: "number of worker processes; `auto` = one for each CPU that Pinion may use, by `cpus` and by the quota of the cgroup"},
	{Name: "cpus", Scope: GlobalScope, Default: auto, value: value{set: setCPUs, get: getCPUs},
		Doc: "where workers run: each on one of these CPUs (`2-5,8`); `auto` = on one of those that Pinion may use and fewest workers of other " +
			"Pinions have, but wherever the kernel likes where the cgroup has a quota of less than these CPUs; `none` = wherever the kernel likes"},
	{Name: "shutdown_timeout", Scope: GlobalScope, Default: "20000", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.global.ShutdownTimeout }),
		Doc: "how long clients may finish after a SIGTERM, and stragglers in the old workers after a reload or an " +
			"upgrade; 0 = as long as they like"},
	{Name: "handoff_patience", Scope: GlobalScope, Default: "2000", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.global.HandoffPatience }),
		Doc: "how long a reload or an upgrade waits for clients that are owed replies before they are called " +
			"stragglers, which finish in the old workers until `shutdown_timeout`"},
	{Name: "unreachable_servers", Scope: GlobalScope, Default: string(UnreachableLax),
		value: choice(func(d *draft) *UnreachableServers { return &d.global.UnreachableServers }, unreachables[:]),
		Doc: "what a reload or an upgrade does when the new workers cannot connect to a server: `lax` = refused only " +
			"where that server answers the old workers; `strict` = refused for any"},
	{Name: "reload_on_change", Scope: GlobalScope, Default: "false",
		value: boolean(func(d *draft) *bool { return &d.global.ReloadOnChange }),
		Doc: "reload when the content of the configuration file has changed, and nobody has written to it for two seconds; " +
			"write it under another name in the same directory and rename it (`mv`), so that half of it is never applied"},
	{Name: "orphans", Scope: GlobalScope, Default: string(link.OrphansAuto),
		value: choice(func(d *draft) *link.Orphans { return &d.global.Orphans }, orphans[:]),
		Doc: "what workers do when the master is gone without a word: `serve` on until the next master takes them over, or " +
			"`drain`; `auto` = `serve`, but under systemd, which keeps the workers in touch with the next master, `drain` when it " +
			"no longer does and no master has come for two seconds"},
	{Name: "memory_limit", Scope: GlobalScope, Default: auto, value: value{set: setMemoryLimit, get: getMemoryLimit},
		Doc: "size of what clients and servers may make each worker hold; `auto` = half of the memory of the machine, or " +
			"of the cgroup if that has less, divided by the number of workers; 0 = no limit. One request takes three quarters of it at " +
			"most"},
	{Name: "coalesce_us", Scope: GlobalScope, Default: "50", Unit: "µs",
		value: duration(func(d *draft) *time.Duration { return &d.global.Coalesce }, time.Microsecond, maxCoalesceMicros),
		Doc: "longest time that a busy worker sleeps after it has written, to find more to do at once; 0 = never; at most " +
			"10000"},
	{Name: "key_samples", Scope: GlobalScope, Default: "1000",
		value: value{set: setKeySamples, get: number(func(d *draft) *int { return &d.global.KeySamples }, 0).get},
		Doc:   "how many keys each worker looks at in a second, about, for `pinion hotkeys` and `bigkeys`; 0 = none; at most 100000"},
	{Name: "http", Scope: GlobalScope, value: value{set: setHTTP, get: getHTTP},
		Doc: "address on which Pinion itself answers HTTP: a live page at `/`, `/metrics` for Prometheus, `/healthz` and `/readyz`; `host:port`, or `/path` with " +
			"optional octal permissions; without one of the next keys it asks for no password, so name an address that only those reach who may see it"},
	{Name: httpTLSCertKey, Scope: GlobalScope, value: file(func(d *draft) *string { return &d.global.httpCert }), Doc: "file with the certificate that Pinion shows at the address of `http`, which has TLS then, see TLS.md: an absolute path, or the name of a credential of systemd"},
	{Name: httpTLSKeyKey, Scope: GlobalScope, value: file(func(d *draft) *string { return &d.global.httpKey }), Doc: "file with its private key"},
	{Name: httpTLSCAKey, Scope: GlobalScope, value: file(func(d *draft) *string { return &d.global.httpCA }), Doc: "file with the authorities of which a client of `http` has to show a certificate, but for `/healthz` and `/readyz`"},
	{Name: httpUserKey, Scope: GlobalScope, value: value{set: setHTTPUser, get: text(func(d *draft) *string { return &d.global.HTTPUser }).get}, Doc: "user that `http` asks for (basic authentication), but for `/healthz` and `/readyz`; needs a password"},
	{Name: httpPasswordKey, Scope: GlobalScope, secret: true, value: value{set: setHTTPPassword, get: func(d *draft) []string { return httpPasswordFileOf(d).unlessInFile() }}, Doc: "the password of that user"},
	{Name: httpPasswordFileKey, Scope: GlobalScope, value: passwordIn(httpPasswordKey, httpPasswordFileOf), Doc: "a file with that password: an absolute path, or the name of a credential of systemd; it is read when Pinion starts or reloads"},
	{Name: "control", Scope: GlobalScope, value: value{set: setControl, get: getControl},
		Doc: "absolute path of the admin socket, by which `pinion status` and the other commands reach Pinion (they are told it by `--control` or `PINION_CONTROL`); " +
			"`--control`, `PINION_CONTROL` and `RuntimeDirectory=` of a unit come before it"},
	{Name: "control_group", Scope: GlobalScope, value: value{set: setControlGroup, get: getControlGroup},
		Doc: "group whose members may ask how Pinion is, but command nothing: beside the admin socket there is one for reading, such as " +
			"`/run/pinion/ctl-status.sock`, which `pinion status` and its like take by themselves; the user that Pinion runs as must be in the group"},
	{Name: "statistics", Scope: GlobalScope, value: value{set: setStatistics, get: getStatistics},
		Doc: "`host:port` on which nutcracker's JSON is, 0.0.0.0:22222 without it; `-a` and `-s` come before it"},
	{Name: "drain_delay", Scope: GlobalScope, Default: "0", Unit: "ms",
		value: millis(func(d *draft) *time.Duration { return &d.global.DrainDelay }),
		Doc: "how long after a SIGTERM Pinion still accepts and serves clients as before, while `/readyz`, and PING with `drain_ping: error`, say that it " +
			"is about to end, so that load balancers stop sending them; in the last third of it idle clients are closed in portions, and then the drain begins"},
	{Name: "log_level", Scope: GlobalScope, Default: "5", value: value{set: setLogLevel, get: number(func(d *draft) *int { return &d.global.LogLevel }, 0).get},
		Doc: "what the log has: 0 (almost nothing) to 11; `-v N` comes before it, `pinion log level N` changes it until a reload finds another here"},
	{Name: "log_format", Scope: GlobalScope, Default: string(LogText),
		value: choice(func(d *draft) *LogFormat { return &d.global.LogFormat }, logFormats[:]),
		Doc:   "`text`, or `json` with an object on each line, for machines; `--log-format` comes before it"},
	{Name: "log_file", Scope: GlobalScope, value: value{set: setLogFile, get: getLogFile},
		Doc: "absolute path of the log, which is made if there is none; without it the log goes to stderr; `-o FILE` comes before it"},
	{Name: "log_requests", Scope: GlobalScope, Default: "0",
		value: value{set: setLogRequests, get: number(func(d *draft) *int { return &d.global.LogRequests }, 0).get},
		Doc:   "how many requests each worker tells the log of in a second, at most, when they were answered: who asked what, which server, and where the time went; 0 = none"},
	{Name: "log_slow", Scope: GlobalScope, Default: "0",
		value: value{set: setLogSlow, get: number(func(d *draft) *int { return &d.global.LogSlow }, 0).get},
		Doc:   "how many slow requests (`slowlog_us`) each worker tells the log of in a second, at most; `pinion slowlog` has the last ones in any case; 0 = none"},
	{Name: "zone", Scope: GlobalScope, value: value{set: setZone, get: getZone},
		Doc: "where this process is, in a word that servers and replicas have, too: with `read_from: nearest` those of the same zone are read first; `--zone NAME`, or `PINION_ZONE` in the environment, comes before it"},
}

// Keys returns the table: pool keys first, each scope in the order of the documentation.
func Keys() []Key { return append([]Key(nil), keys[:]...) }

// lookup returns the key of that name and scope, or nil.
func lookup(name string, scope Scope) *Key {
	for i := range keys {
		if keys[i].Name == name && keys[i].Scope == scope {
			return &keys[i]
		}
	}
	return nil
}

func keyNames(scope Scope) []string {
	var names []string
	for i := range keys {
		if keys[i].Scope == scope {
			names = append(names, keys[i].Name)
		}
	}
	return names
}

// suggestKey says what an unknown key should have been. The list of all would hide what is said beside it.
func suggestKey(name string, known []string) string {
	const many = 15
	hint := suggest(name, known)
	if len(known) > many && strings.HasPrefix(hint, knownAre) {
		return "remove it; man 5 pinion.yml lists all that there are"
	}
	return hint
}

// mergeKey has YAML add the keys of another map.
const mergeKey = "<<"

// unknown says what to do about a key that the scope does not know.
func (s setting) unknown(scope Scope) flaw {
	name := s.key.text
	f := flaw{message: fmt.Sprintf("unknown key %q", name)}
	switch {
	case name == mergeKey && len(s.values) == 1:
		f = flaw{message: fmt.Sprintf("<< would merge the keys of %q, which no pool can have from elsewhere", s.values[0].text), hint: "write them out here"}
	case name == mergeKey:
		f = flaw{message: "<< would merge other keys, which no pool can have from elsewhere", hint: "write them out here"}
	case scope == PoolScope && lookup(name, GlobalScope) != nil:
		f.hint = "it is process-wide and does not belong in a pool"
	case scope == GlobalScope && lookup(name, PoolScope) != nil:
		f.hint = "it belongs in a pool"
	case scope == PoolScope && shortFormOnly[name] != "":
		f.hint = shortFormOnly[name]
	case foreignKeys[scope][name] != "":
		f.hint = foreignKeys[scope][name]
	default:
		f.hint = suggestKey(name, keyNames(scope))
	}
	return f
}

// noValue says what to do about a key that has none.
func (k *Key) noValue() flaw {
	f := flaw{message: k.Name + " has no value", hint: "write one, or remove the key"}
	if k.secret {
		f.hint = "write one, in quotes if it begins with #, or remove the key"
	}
	return f
}

func list(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }
