// Orphans: workers whose master has died wait for another one, each at a rendezvous of its own.

package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Orphan is a worker without a master that has introduced itself. All descriptors belong to the caller.
type Orphan struct {
	PID      int
	Spec     link.Spec
	SpecFD   int // memory file of spec
	SharedFD int // memory file of the counters
	LinkFD   int
	Lent     []LentSocket
	Drains   link.OrphanBody // whether, and for how long
}

// LentSocket is a copy of a listener of an orphan.
type LentSocket struct {
	link.Listener
	FD int
}

// Serves reports that a worker accepts, or would if it was told to.
func (o *Orphan) Serves() bool { return !o.Drains.Draining }

// meetTimeout is how long an orphan may take to introduce itself and to pass its listeners.
const meetTimeout = 2 * time.Second

// FindOrphans goes where workers of this user wait for a master of that configuration file, or are among pids. It returns
// who has answered, and the pids of those that listen there and have not.
func FindOrphans(file string, pids []int) (met []*Orphan, deaf []int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, name := range waitingOrphans(file, pids) {
		all.Go(func() {
			o, pid, err := meet(name)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				met = append(met, o)
			case errors.Is(err, os.ErrDeadlineExceeded), sock.Again(err): // the queue of an orphan that does not accept is full
				deaf = append(deaf, pid)
			}
		})
	}
	all.Wait()
	return met, deaf
}

func waitingOrphans(file string, pids []int) (names []string) {
	for _, name := range sock.ListeningNames("@") {
		if number, of, ok := link.ReadOrphanName(name, os.Getuid(), file); ok && (of || slices.Contains(pids, number)) {
			names = append(names, name)
		}
	}
	return names
}

// Waiting returns the workers that wait for a master, by user, as far as this process can see them.
func Waiting() map[int][]Info {
	all := map[int][]Info{}
	for _, name := range sock.ListeningNames("@") {
		uid, pid, ok := link.OwnerOfOrphan(name)
		if p, lives := Read(pid); ok && lives && p.IsWorker() {
			all[uid] = append(all[uid], p)
		}
	}
	return all
}

// meet asks an orphan to introduce itself. The pid is also returned with an error, if it is known.
func meet(name string) (o *Orphan, pid int, err error) {
	fd, err := sock.ConnectSeqpacket(name)
	if err != nil {
		return nil, pidOfName(name), err
	}
	uid, pid, err := sock.PeerCredentials(fd)
	if err == nil && (uid != os.Getuid() || pid == 0) {
		err = fmt.Errorf("it belongs to user %d, pid %d", uid, pid)
	}
	if err != nil {
		sock.Close(fd)
		return nil, pid, err
	}
	way := os.NewFile(uintptr(fd), "worker link")
	defer way.Close()
	way.SetReadDeadline(time.Now().Add(meetTimeout))
	o = &Orphan{PID: pid, SpecFD: -1, SharedFD: -1, LinkFD: -1}
	if err = o.hear(way); err == nil {
		o.LinkFD, err = dupOf(way)
	}
	if err != nil {
		o.Leave()
		return nil, pid, err
	}
	return o, pid, nil
}

func pidOfName(name string) int {
	pid, _ := strconv.Atoi(name[strings.LastIndexByte(name, '/')+1:])
	return pid
}

func dupOf(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	own, errDup := -1, error(nil)
	err = raw.Control(func(fd uintptr) { own, errDup = sock.Dup(int(fd)) })
	return own, errors.Join(err, errDup)
}

// hear receives the introduction and the listeners.
func (o *Orphan) hear(way *os.File) error {
	raw, err := way.SyscallConn()
	if err != nil {
		return err
	}
	m, fds, err := awaitMessage(raw, link.Orphan)
	if err == nil && len(fds) != 2 {
		err = fmt.Errorf("its memory and specification have not both come (%d descriptors, and not 2): raise LimitNOFILE= (ulimit -n)", len(fds))
	}
	if err != nil {
		sock.CloseAll(fds)
		return err
	}
	o.SpecFD, o.SharedFD = fds[0], fds[1]
	if len(m.Body) > 0 {
		if err := link.ParseBody(m, &o.Drains); err != nil {
			return err
		}
	}
	text, err := sock.ReadAll(o.SpecFD)
	if err != nil {
		return err
	}
	spec, err := ParseSpec(text)
	if err != nil {
		return err
	}
	o.Spec = *spec
	if _, err := way.Write(link.AppendMessage(nil, link.Message{Kind: link.Lend})); err != nil {
		return err
	}
	for more := true; more; {
		m, fds, err := awaitMessage(raw, link.Lent)
		var body link.LentBody
		if err == nil {
			err = link.ParseBody(m, &body)
		}
		if err == nil && len(fds) != len(body.Listeners) {
			err = fmt.Errorf("%d of its %d listening sockets have come: raise LimitNOFILE= (ulimit -n)", len(fds), len(body.Listeners))
		}
		if err != nil {
			sock.CloseAll(fds)
			return err
		}
		for i, l := range body.Listeners {
			o.Lent = append(o.Lent, LentSocket{l, fds[i]})
		}
		more = body.More
	}
	return nil
}

// awaitMessage waits for a message of that kind.
func awaitMessage(raw syscall.RawConn, kind link.Kind) (link.Message, []int, error) {
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, maxFDs)
	for {
		n, got, truncated, err := receiveFrom(raw, buf, fds)
		var m link.Message
		switch {
		case err == nil && n == 0:
			err = errors.New("it has hung up")
		case err == nil && truncated:
			err = errors.New("descriptors are missing: raise LimitNOFILE= (ulimit -n)")
		case err == nil:
			m, err = link.ParseMessage(buf[:n])
		}
		if err == nil && m.Kind == kind {
			return m, fds[:got], nil
		}
		sock.CloseAll(fds[:got])
		if err != nil {
			return m, nil, err
		}
	}
}

// Leave lets an orphan wait for another master.
func (o *Orphan) Leave() {
	for _, fd := range []int{o.SpecFD, o.SharedFD, o.LinkFD} {
		if fd >= 0 {
			sock.Close(fd)
		}
	}
	for _, l := range o.Lent {
		sock.Close(l.FD)
	}
}

// ParseSpec reads a specification that another master has written.
func ParseSpec(text []byte) (*link.Spec, error) {
	spec, err := link.ParseSpec(text)
	if err != nil {
		return nil, err
	}
	if spec.Slots < 1 || len(spec.Pools) == 0 || spec.Slot < 0 || spec.Slot >= spec.Slots {
		return nil, fmt.Errorf("its specification is of slot %d of %d and has %d pools", spec.Slot, spec.Slots, len(spec.Pools))
	}
	return spec, nil
}
