// What the kernel has seen: a connection that is reset or refused leaves a trace there even if no client was looking.

package storm_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// spoiled are the kernel's counters of what no handoff may cause (see snmp_counter.rst of the kernel's documentation).
var spoiled = []string{
	"Tcp.OutRsts", "Tcp.EstabResets", "Tcp.AttemptFails", "TcpExt.ListenOverflows", "TcpExt.ListenDrops",
	"TcpExt.TCPAbortOnData", "TcpExt.TCPAbortOnClose", "TcpExt.TCPAbortOnMemory", "TcpExt.TCPAbortOnTimeout",
}

// kernelCounters returns all counters of the network that this process lives in, as "Tcp.OutRsts".
func kernelCounters(t testing.TB) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, file := range []string{"/proc/self/net/snmp", "/proc/self/net/netstat"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var names []string // of the values in the next line
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			group := strings.TrimSuffix(fields[0], ":")
			if names == nil {
				names = fields[1:]
				continue
			}
			for i, value := range fields[1:] {
				if !strings.HasPrefix(value, "-") { // no limit
					all[group+"."+names[i]] = rig.Atoi(value)
				}
			}
			names = nil
		}
	}
	return all
}

// excepted returns the counters that a plan is not judged by. Where servers speak TLS, both ends say that they end, and now and then the
// kernel repeats the FIN of one whose peer has gone meanwhile: that is answered with a reset, which nobody gets. Those that somebody
// gets count elsewhere, too. And a worker that a fault kills says nothing, so that the last word of its servers is answered with one.
func excepted(p plan) (counters []string) {
	if p["tls_servers"] > 0 {
		counters = append(counters, "Tcp.OutRsts")
	}
	if p["tls_servers"] > 0 && p["faults"] > 0 {
		counters = append(counters, "Tcp.EstabResets", "TcpExt.TCPAbortOnData")
	}
	return counters
}

// sinceThen returns what has gone wrong since the counters were as in before, as text, and in sum without those in except.
func sinceThen(t testing.TB, before map[string]int, except ...string) (text string, sum int) {
	t.Helper()
	now := kernelCounters(t)
	var changes []string
	for _, name := range spoiled {
		count, known := now[name]
		if !known {
			t.Errorf("the kernel does not count %s", name)
		}
		changes = append(changes, fmt.Sprintf("%s %d", name, count-before[name]))
		if !slices.Contains(except, name) {
			sum += count - before[name]
		}
	}
	return strings.Join(changes, ", "), sum
}

// ownNetwork reports whether nobody else uses the network of this process, so that its counters are about the storm alone.
func ownNetwork() bool { return os.Getenv("PINION_STORM_NETWORK") == "own" }
