// What configurations of nutcracker's forks, of HAProxy and of Redis have and nutcracker has not, and what to write instead.

package config

// foreignKeys has a hint for each key of a fork: of what it meant here.
var foreignKeys = map[Scope]map[string]string{
	PoolScope: {
		"failover":  "remove it; with auto_eject_hosts the keys of a server that is down move to the others of its pool",
		"heartbeat": "remove it; with auto_eject_hosts servers that are down are probed after server_retry_timeout",
	},
	GlobalScope: {
		"worker_processes":        "write workers",
		"worker_shutdown_timeout": "write shutdown_timeout, which is in milliseconds",
		"max_openfiles":           "remove it; the limit is that of the process: ulimit -n, or LimitNOFILE= of the unit",
		"user":                    "remove it; start Pinion as this user: User= of the unit",
		"group":                   "remove it; start Pinion with this group: Group= of the unit",
	},
}

// foreignDirectives has the same for the short form, which looks like the configuration of other programs.
var foreignDirectives = map[string]string{
	"bind":        "write listen HOST:PORT",
	"port":        "write listen HOST:PORT",
	"mode":        "write protocol redis, or protocol memcache",
	"balance":     "write distribution ketama, modula or random",
	"requirepass": "write redis_auth PASSWORD",
	"masterauth":  "write redis_auth PASSWORD",
	"maxclients":  "write client_connections N",
	"maxmemory":   "remove it, or write memory_limit SIZE before the first pool: what each worker may hold",
	"include":     "write all into one file",
	"daemonize":   "remove it, and start with pinion -d",
	"logfile":     "remove it, and start with pinion -o FILE",
	"pidfile":     "remove it, and start with pinion -p FILE",
	"global":      "remove it: what is process-wide stands before the first pool",
	"defaults":    "remove it, and give each pool its own keys",
}

// isNest reports whether a section is no pool, but what a fork writes above all pools.
func (s *section) isNest() bool {
	return !s.global && s.name.text == "pools" && len(s.settings) > 0 && !s.has("listen") && !s.has("servers")
}

var nested = flaw{message: `"pools:" is the layout of a fork`, hint: "remove this line and move the pools below it to the margin"}
