// How the counters of worker/link are called here: as the statistics call them, by the conventions of Prometheus.

package metrics

import (
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// plainer are names of counters that say more than those of the statistics, which are nutcracker's.
var plainer = map[string]string{
	"total_connections": "connections_opened",
	"curr_connections":  "connections",
	"client_err":        "client_errors",
	"forward_error":     "forward_errors",
	"server_err":        "errors",
	"server_timedout":   "timeouts",
	"held":              "held_requests", // else held_total would seem to be its counter
	"in_queue":          "in_queue_requests",
	"out_queue":         "out_queue_requests",
}

// nameOf returns the name of a counter, of those that share a prefix. A counter of time is in seconds.
func nameOf(prefix string, info link.CounterInfo) string {
	name, has := plainer[info.Name]
	if !has {
		name = strings.TrimSuffix(strings.TrimPrefix(info.Name, "server_"), "_total")
		if prefix != serverPrefix {
			name = strings.TrimSuffix(info.Name, "_total")
		}
	}
	switch info.Kind {
	case link.Counter:
		name = strings.TrimSuffix(name, "_us")
		if strings.HasSuffix(info.Name, "_us") {
			name += "_seconds"
		}
		name += "_total"
	case link.Timestamp:
		name = strings.TrimSuffix(name, "_at") + "_timestamp_seconds"
	}
	return prefix + name
}

const (
	prefix       = "pinion_"
	serverPrefix = prefix + "server_"
)

// scaleOf returns by what a counter is multiplied to be in the unit of its name.
func scaleOf(info link.CounterInfo) float64 {
	if info.Kind == link.Timestamp || strings.HasSuffix(info.Name, "_us") {
		return 1e-6
	}
	return 1
}

// helpOf returns what the help says of a counter, in the unit of its name.
func helpOf(info link.CounterInfo) string {
	if scaleOf(info) == 1 {
		return info.Doc
	}
	return strings.Replace(info.Doc, ", in µs since the epoch", ", in s since the epoch", 1)
}
