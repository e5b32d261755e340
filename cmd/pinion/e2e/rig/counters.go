// Statistics count forward.

package rig

import "testing"

// gauges are the statistics that may go down.
var gauges = map[string]bool{
	"client_connections": true, "server_connections": true, "curr_connections": true,
	"in_queue": true, "in_queue_bytes": true, "out_queue": true, "out_queue_bytes": true,
	"blocked_clients": true, "subscribers": true, "dedicated_connections": true,
}

// CheckForward reports each statistic below path that went back, but for those that may.
func CheckForward(t testing.TB, path string, before, now map[string]any) {
	for name, value := range now {
		switch value := value.(type) {
		case map[string]any:
			old, _ := before[name].(map[string]any)
			CheckForward(t, path+name+".", old, value)
		case float64:
			if old, _ := before[name].(float64); value < old && !gauges[name] || value < 0 {
				t.Errorf("%s%s went from %v to %v", path, name, old, value)
			}
		}
	}
}
