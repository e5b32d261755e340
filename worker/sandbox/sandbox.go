//go:build !fault

// Landlock: which files and ports a worker can still reach.

package sandbox

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/landlock-lsm/go-landlock/landlock"
	kernel "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/pinion-proxy/pinion/worker/link"
)

// resolverFiles are what Go's resolver reads, when it is first asked and whenever one of them has changed.
var resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}

const portDNS = 53

// Where a pool discovers its servers, every TCP port stays open to connect; else exactly those of the topology do.
//
// Confine takes from all threads of the process, for good, the files and the TCP ports that serving spec has no use for.
// It may signal nobody but itself, and connect to no abstract unix socket; that others connect to one of its own is not
// its doing. A kernel that has no Landlock, or an early one, takes less; that is no error. The paths of unix sockets stay
// open to connect, in every version.
func Confine(spec *link.Spec) error {
	access := landlock.Config{
		HandledAccessFS:  landlock.V7.HandledAccessFS, // V9 adds connecting to a unix socket
		HandledAccessNet: landlock.V7.HandledAccessNet,
		Scoped:           landlock.V7.Scoped, // signals, and connecting to abstract unix sockets
	}
	if discovers(&spec.Topology) {
		access.HandledAccessNet &^= kernel.AccessNetConnectTCP
	}
	return access.BestEffort().Restrict(needs(spec)...)
}

// discovers tells whether servers may come to be at ports that nobody can know beforehand.
func discovers(t *link.Topology) bool {
	return slices.ContainsFunc(t.Pools, func(p link.PoolTopology) bool { return p.Discovers })
}

func needs(spec *link.Spec) []landlock.Rule {
	rules := []landlock.Rule{}
	wide := discovers(&spec.Topology)
	names := wide // which may be found, too
	for e := range spec.Topology.Endpoints {
		host, portText, err := net.SplitHostPort(e.Address)
		if e.Network == "unix" || err != nil {
			continue
		}
		if port, err := strconv.ParseUint(portText, 10, 16); err == nil && !wide {
			rules = append(rules, landlock.ConnectTCP(uint16(port)))
		}
		_, err = netip.ParseAddr(host)
		names = names || err != nil
	}
	if names {
		net.DefaultResolver.PreferGo = true // the C library's, in a build that has it, loads modules from anywhere
		rules = append(rules, readable(resolverFiles))
	}
	if names && !wide {
		rules = append(rules, landlock.ConnectTCP(portDNS))
	}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" { // a build that measures coverage writes there when it ends
		rules = append(rules, landlock.RWDirs(dir).IgnoreIfMissing())
	}
	return rules
}

// readable allows to read the files of all directories in which files are, or links to them lie: a new resolv.conf takes
// the place of the old one by its name, and what is allowed of a file does not pass to its successor.
func readable(files []string) landlock.Rule {
	dirs := []string{}
	for _, file := range files {
		dirs = append(dirs, filepath.Dir(file))
		if target, err := filepath.EvalSymlinks(file); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	return landlock.PathAccess(kernel.AccessFSReadFile, dirs...).IgnoreIfMissing()
}
