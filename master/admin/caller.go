// Who asks on the admin socket. Its permissions keep other users out; workers are of the same user as the master, and
// one that a client has taken over must not be able to end the service.

package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

// caller is a process that has connected to the admin socket.
type caller struct {
	pid   int // 0: it cannot be seen from here, being of another pid namespace
	uid   int
	other bool // is of another user than the workers, hence none of them
}

// stranger reports whether a process is of a user who may command nothing. Of one that cannot be seen from here the uid may stand for
// another one: the permissions of the socket have let it through.
func (c caller) stranger() bool { return c.other && c.uid != 0 && c.pid != 0 }

type callerKey struct{}

type askerKey struct{}

// AskerOf returns who makes a request that others answer.
func AskerOf(r *http.Request) *Asker {
	by, _ := r.Context().Value(askerKey{}).(*Asker)
	return by
}

// withCaller stores the process that has made a connection.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	uid, pid := peerOf(c)
	of := caller{pid: pid, uid: uid, other: uid != os.Geteuid()}
	return context.WithValue(ctx, callerKey{}, of)
}

// suspects returns the process that makes a request, and those that it comes of, if it may be a worker or come of one. Of
// one that bears their brand, that is known.
func suspects(r *http.Request) (pids []int, branded bool) {
	of, _ := r.Context().Value(callerKey{}).(caller)
	if of.other || of.pid == 0 {
		return nil, false
	}
	if bearsBrand(of.pid) && !bearsBrand(os.Getpid()) {
		return nil, true
	}
	return ancestry(of.pid), false
}

// ancestry returns a process and those that it comes of.
func ancestry(pid int) (pids []int) {
	const most = 64
	for pid > 1 && len(pids) < most {
		pids = append(pids, pid)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return pids
		}
		parent := 0
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may be anything
		fmt.Sscanf(rest, "%1s %d", new(string), &parent)
		pid = parent
	}
	return pids
}

// Asker is the process that asks.
type Asker struct {
	PIDs []int // the process and its ancestors
}

// ErrWorkerAsks is the answer to a worker.
const ErrWorkerAsks = "a worker, or what comes of one, may not ask for anything"

// bearsBrand reports whether a process bears the brand of workers, see sock.Brand. One that has ended already may have.
func bearsBrand(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Max msgqueue size"); found {
			fields := strings.Fields(rest)
			return len(fields) > 1 && fields[1] == "0" // the hard limit
		}
	}
	return true
}
