// What a configuration asks of the machine that it is checked on.

package main

import (
	"net/netip"
	"os"
	"path/filepath"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/limits"
)

// defaultStatistics is where the statistics are unless the file, -a or -s says otherwise.
var defaultStatistics = netip.MustParseAddrPort("0.0.0.0:22222")

// controlGroupWarning warns of a group for which there is no socket, since the admin socket has no path. That of the packages' service has
// one, and so has one that the environment names.
func controlGroupWarning(cfg *config.Config) config.Problems {
	isServed := cfg.Global.Control != "" || filepath.Dir(cfg.File) == filepath.Dir(packageConfFile) ||
		os.Getenv(controlVariable) != "" || os.Getenv("RUNTIME_DIRECTORY") != ""
	if cfg.Global.ControlGroup.Name == "" || isServed {
		return nil
	}
	p := cfg.GroupProblem("says nothing where the admin socket has no path", `give it one: "control: /run/pinion/ctl.sock" under "global:", or start with --control FILE`)
	p[0].Warning = true
	return p
}

// warningsHere returns what works but hurts: in the file, and on this machine. workers is what the command line says; 0: nothing.
func warningsHere(cfg *config.Config, workers int) config.Problems {
	cpus, _ := limits.ReadCPUs() // without them nothing is said of them
	room := config.Room{CPUs: cpus.Allowed}
	cpus.Allowed = cfg.Global.CPUs.Of(cpus.Allowed)
	if cpus.Limited() {
		room.Quota = cpus.Quota
	}
	room.Memory, _ = limits.Memory()
	count := workersHere(cfg, workers)
	warnings := append(cfg.Warnings(config.ThisMachine(count, limits.Descriptors())), cfg.RoomWarnings(count, room)...)
	if err := limits.Tasks().Check(count, 0); err != nil {
		warnings = append(warnings, config.Problem{File: cfg.File, Message: err.Error(), Warning: true})
	}
	return warnings
}

// workersHere returns how many workers a configuration has on this machine.
func workersHere(cfg *config.Config, workers int) int {
	cpus, _ := limits.ReadCPUs()
	cpus.Allowed = cfg.Global.CPUs.Of(cpus.Allowed)
	return cfg.WorkerCount(workers, cpus.Count())
}
