// Abstract names of unix sockets: they exist as long as the socket, in one network namespace, and have no permissions.

package sock

import (
	"os"
	"strings"
)

// Columns of /proc/net/unix.
const (
	unixFlags  = 3
	unixPath   = 7
	unixFields = 8

	unixListens = "00010000" // __SO_ACCEPTCON; a connection has the name of its listener
)

// ListeningNames returns the names, paths included, that begin like that and at which a process of this network namespace listens. An
// abstract name begins with @.
func ListeningNames(prefix string) (names []string) {
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == unixFields && f[unixFlags] == unixListens && strings.HasPrefix(f[unixPath], prefix) {
			names = append(names, f[unixPath])
		}
	}
	return names
}
