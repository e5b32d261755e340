// The life of a worker: inherit what the master made, serve, end.

package worker

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"

	"github.com/pinion-proxy/pinion/worker/core"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
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
	return core.Run(spec, shared, confine)
}

// confine takes from the process what serving does not need. What the kernel does not know is only told.
func confine(spec *link.Spec, warn func(e *logevent.Event, values ...any)) {
	if err := sock.Brand(); err != nil {
		warn(logevent.Unbranded, err)
	}
	if err := sandbox.Confine(spec); err != nil {
		warn(logevent.Unconfined, err)
	}
	if err := sock.Forbid(); err != nil {
		warn(logevent.Unfiltered, err)
	}
}

// inherit reads the spec, maps the shared memory and makes the descriptors fit for the loop.
func inherit() (*link.Spec, *link.Shared, error) {
	text, err := sock.ReadAll(link.FDSpec)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the specification from descriptor %d (only the master starts workers): %w", link.FDSpec, err)
	}
	spec, err := link.ParseSpec(text)
	clear(text) // it has passwords and private keys
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
	if err := sock.SetInherited(link.FDMaster); err != nil {
		return nil, nil, fmt.Errorf("inheriting the worker link: %w", err)
	}
	return spec, shared, nil
}

// ignoreSignals has the worker take no notice of the signals that are meant for the service. The master has started it
// with these blocked. Those that Go's runtime takes at once, all the same, can end it until now, when it has no clients
// yet: then the master starts the next one as if nothing had been.
func ignoreSignals() {
	for _, s := range sock.ServiceSignals {
		signal.Ignore(s)
	}
}
