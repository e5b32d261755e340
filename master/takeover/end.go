// The end of the other program.

package takeover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// endPatience is how long a program may take to end, once it was told.
const endPatience = 10 * time.Second

// End ends a program, and returns when it has ended.
func (p *Program) End(ctx context.Context) error {
	p.noteSiblings()
	err := context.Cause(ctx)
	if err == nil {
		err = p.tellToEnd(ctx)
	}
	if err != nil {
		return fmt.Errorf("ending %s: %w", p, err)
	}
	for until := time.Now().Add(endPatience); !sock.AwaitProcess(p.process, lookAgain); {
		if ctx.Err() != nil {
			return fmt.Errorf("ending %s: %w", p, context.Cause(ctx))
		}
		if time.Now().After(until) {
			return fmt.Errorf("ending %s: it was told to, and has not ended within %s; look why, or kill -KILL %d", p, endPatience, p.PID)
		}
	}
	return nil
}

func (p *Program) tellToEnd(ctx context.Context) error {
	switch {
	case p.IsPinion() && p.Unit != "":
		return errors.New("a Pinion that ends as a unit turns clients away from its sockets: name it by its pid")
	case p.IsPinion():
		return p.endPinion()
	case p.Unit != "": // or else systemd could start it again
		_, err := systemctl(ctx, "stop", "--", p.Unit)
		return err
	}
	return ignoreGone(sock.SignalProcess(p.process, syscall.SIGTERM))
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// IsPinion reports whether the program is a master of Pinion.
func (p *Program) IsPinion() bool { return p.Name == sock.ProxyName }

// endPinion kills a master, which would turn clients away from all its sockets before it ends, and has its workers drain, which
// do not.
func (p *Program) endPinion() error {
	var workers []int
	for _, other := range process.List(p.user()) {
		if other.Parent == p.PID && len(other.Args) > 1 && other.Args[1] == "worker" {
			workers = append(workers, other.PID)
		}
	}
	if err := ignoreGone(sock.SignalProcess(p.process, syscall.SIGKILL)); err != nil {
		return err
	}
	for _, pid := range workers {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	return nil
}

// user is who runs the program; root may end those of others.
func (p *Program) user() int {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", p.PID))
	if err != nil {
		return os.Geteuid()
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// settling is how long a program that accepts nobody any more may answer whom it has accepted last.
const settling = 100 * time.Millisecond

// EndAll ends programs that have accepted nobody for a moment. sockets are all of theirs. One that does not end accepts again, also
// when the end is called off by the context.
func EndAll(ctx context.Context, programs []*Program, sockets []Socket) (err error) {
	holds := map[*Program]*Hold{}
	for _, p := range programs {
		// Of a program that cannot be told, some clients are lost that it has just accepted.
		if hold, err := p.Unwatch(sockets); err == nil {
			holds[p] = hold
		}
	}
	awaitEmpty(ctx, sockets)
	for _, p := range programs {
		errOne := p.End(ctx)
		switch hold := holds[p]; {
		case hold == nil:
		case errOne != nil:
			errOne = errors.Join(errOne, hold.Undo())
		default:
			hold.Leave()
		}
		err = errors.Join(err, errOne)
	}
	return err
}

// awaitEmpty waits for the queues to be empty, which others accept from, and for the last who were accepted to be answered.
func awaitEmpty(ctx context.Context, sockets []Socket) {
	for until := time.Now().Add(endPatience); time.Now().Before(until) && waiting(sockets) && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(settling)
}

func waiting(sockets []Socket) bool {
	for _, s := range sockets {
		if n, err := sock.Waiting(s.FD); err == nil && n > 0 && s.Network == "tcp" {
			return true
		}
	}
	return false
}
