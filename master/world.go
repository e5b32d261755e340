// The outside of the master: every effect it has on the machine is one of these functions, so that a test can be the
// machine.

package master

import (
	"net"
	"os"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

type world struct {
	pid      int
	now      func() time.Time
	load     func(path string) (*config.Config, error)
	signals  func() (watched <-chan os.Signal, unwatch func())
	affinity func() ([]int, error) // the CPUs that the process may run on
	memory   func() (int64, error) // the bytes that the process may use

	seal func() // no worker inherits a descriptor that the process was born with

	probe       func(config.Listen) error // nil: nobody serves the address
	listen      func(l config.Listen, backlog int) (socket, error)
	close       func(fd int) error
	listenStats func(address string) (net.Listener, error)

	share   func(size int) (fd int, mem []byte, err error)
	unshare func(fd int, mem []byte)

	spawn  func(launch) (*process, error) // its events end with exited
	send   func(*process, link.Message) error
	hangUp func(*process) // closes the control socket; the worker sees the end of file and leaves
	kill   func(*process) // SIGKILL
}

// newWorld returns the real one. Events of the processes it spawns go to report, from goroutines of their own.
func newWorld(report func(event)) *world {
	return &world{
		pid:         os.Getpid(),
		now:         time.Now,
		load:        config.Load,
		signals:     watchSignals,
		affinity:    sock.Affinity,
		memory:      func() (int64, error) { return machineMemory(os.DirFS("/")) },
		seal:        seal,
		probe:       probe,
		listen:      openSocket,
		close:       sock.Close,
		listenStats: func(address string) (net.Listener, error) { return net.Listen("tcp", address) },
		share:       func(size int) (int, []byte, error) { return sock.MemfdShared("pinion-shared", size) },
		unshare:     unshare,
		spawn:       func(l launch) (*process, error) { return spawn(l, report) },
		send:        (*process).send,
		hangUp:      (*process).hangUp,
		kill:        (*process).kill,
	}
}

func unshare(fd int, mem []byte) {
	sock.Unmap(mem)
	sock.Close(fd)
}
