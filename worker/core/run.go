// A worker's life from its descriptors to its end.

package core

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Run serves on the descriptors that link names until the worker's end. The caller has locked its goroutine to a thread, and
// owns the process. confine is called once, when everything is open that needs rights, before the first client is accepted.
func Run(spec *link.Spec, shared *link.Shared, confine func(spec *link.Spec, warn func(e *logevent.Event, values ...any))) error {
	l, err := newLoop(spec, shared, sock.Monotonic)
	if err != nil {
		return err
	}
	defer l.signatures.stop()
	setGCLimit(spec.MemoryLimit)
	limit, err := sock.MaxDescriptors()
	if err != nil {
		return fmt.Errorf("reading the limit of descriptors: %w", err)
	}
	l.shareDescriptors(limit)
	if l.master, err = newMasterLink(l, link.FDMaster); err != nil {
		return fmt.Errorf("watching the worker link: %w", err)
	}
	if err := l.catchTerm(); err != nil {
		return fmt.Errorf("watching for SIGTERM: %w", err)
	}
	confine(spec, l.log)
	// Deadlines of a loop that has the CPU to itself need not be rounded up by 50 µs.
	if err := sock.SetTimerSlack(1); err != nil {
		l.log(logevent.TimerSlack, err)
	}
	if spec.Takeover {
		fault.At("nw.start")
	} else {
		l.lookUpNames()
		l.preconnect()
	}
	for i, ln := range spec.Listeners {
		if err := l.listen(link.FDListen+i, ln); err != nil {
			return fmt.Errorf("watching listener %q: %w", ln.Address, err)
		}
	}
	if next, err := sock.FreeDescriptor(); err == nil {
		l.descriptors.fixed = next - int(*l.counters[link.CurrConnections])
	}
	memory.Collect(false) // what the start has left is no use to a loop that may run for months
	if spec.Takeover {
		l.checkServers()
	} else {
		l.master.send(link.Ready, nil)
	}
	return l.run()
}

// setGCLimit has the collector bound the garbage to a part of memory_limit: without that there could be as much garbage as live memory. The
// memory of a worker without clients, such as its rings, comes on top.
func setGCLimit(memoryLimit int64) {
	const part, least = 8, 16 << 20
	if memoryLimit == 0 {
		return
	}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	debug.SetMemoryLimit(int64(now.Sys-now.HeapReleased) + memoryLimit + max(memoryLimit/part, least))
}
