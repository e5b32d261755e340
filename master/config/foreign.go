// What configurations of nutcracker's forks have and nutcracker has not, and what to write instead.

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

// isNest reports whether a section is no pool, but what a fork writes above all pools.
func (s *section) isNest() bool {
	return !s.global && s.name.text == "pools" && len(s.settings) > 0 && !s.has("listen") && !s.has("servers")
}

var nested = flaw{message: `"pools:" is the layout of a fork`, hint: "remove this line and move the pools below it to the margin"}
