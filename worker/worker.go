// The life of a worker: take over what the master made, serve, end.

package worker

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sandbox"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// processors is what the Go runtime is told to have. With one, its monitor thread would take the only processor away from
// a loop that waits for events, and give it back, for every wait; the second one is idle, so it lets the first one be.
const processors = 2

// Main is a worker process: the master started it and passed the descriptors that link names. It returns the exit
// status.
func Main() int {
	ignoreSignals()
	sock.SetName(sock.ProxyName)
	runtime.GOMAXPROCS(processors)
	runtime.LockOSThread()
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "worker: %v\n", err)
		return 1
	}
	return 0
}

// fewDescriptors is how many a worker has room for from the start.
const fewDescriptors = 4096

func serve() error {
	spec, shared, err := inherit()
	if err != nil {
		return err
	}
	if err := sock.Reserve(fewDescriptors + spec.Clients); err != nil {
		return fmt.Errorf("reserving descriptors: %w", err)
	}
	if err := fault.Error("nw.loop"); err != nil && spec.Takeover {
		return err
	}
	l, err := newLoop(spec, shared, sock.Monotonic)
	if err != nil {
		return err
	}
	limitGarbage(spec.MemoryLimit)
	limit, err := sock.MaxDescriptors()
	if err != nil {
		return fmt.Errorf("reading the limit of descriptors: %w", err)
	}
	l.shareDescriptors(limit)
	if l.control, err = newControl(l, link.FDControl); err != nil {
		return fmt.Errorf("watching the control socket: %w", err)
	}
	if err := l.catchTerm(); err != nil {
		return fmt.Errorf("watching for SIGTERM: %w", err)
	}
	if err := sock.Brand(); err != nil {
		l.logf(levelWarn, "serving without the brand of a worker: %v", err)
	}
	if err := sandbox.Confine(spec); err != nil {
		l.logf(levelWarn, "serving without a sandbox: %v", err)
	}
	// Deadlines of a loop that has the CPU to itself need not be rounded up by 50 µs.
	if err := sock.SetTimerSlack(1); err != nil {
		l.logf(levelInfo, "setting the timer slack: %v", err)
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
		l.callRoll()
	} else {
		l.control.must(link.Ready, nil)
	}
	return l.run()
}

// limitGarbage bounds what is not collected yet to a part of what the worker may hold: without that it could be as much
// again. What the worker has without clients, such as its rings, comes on top.
func limitGarbage(memoryLimit int64) {
	const part, least = 8, 16 << 20
	if memoryLimit == 0 {
		return
	}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	debug.SetMemoryLimit(int64(now.Sys-now.HeapReleased) + memoryLimit + max(memoryLimit/part, least))
}

// inherit reads the spec, maps the shared memory and makes the descriptors fit for the loop.
func inherit() (*link.Spec, *link.Shared, error) {
	text, err := sock.ReadAll(link.FDSpec)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the specification from descriptor %d (only the master starts workers): %w", link.FDSpec, err)
	}
	spec, err := link.ParseSpec(text)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the specification (only the master starts workers): %w", err)
	}
	counts := link.ServerCounts(spec.Pools)
	mem, err := sock.MapWhole(link.FDShared)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping the counters: %w", err)
	}
	shared, err := link.OpenShared(mem, counts, spec.Slots)
	if err != nil {
		return nil, nil, err
	}
	for fd := link.FDListen; fd < link.FDListen+len(spec.Listeners); fd++ {
		if err := sock.SetInherited(fd); err != nil {
			return nil, nil, fmt.Errorf("inheriting descriptor %d: %w", fd, err)
		}
	}
	if err := sock.SetInherited(link.FDControl); err != nil {
		return nil, nil, fmt.Errorf("inheriting the control socket: %w", err)
	}
	return spec, shared, nil
}
