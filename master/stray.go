// The processes that masters before this one have left, as /proc and their rendezvous show them.

package master

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// meetTimeout is how long an orphan may take to say who it is, and to lend its listeners.
const meetTimeout = 2 * time.Second

// findOrphans goes where workers of this user wait for a master of that configuration file, or are among pids. It returns
// who has answered, and the pids of those that listen there and have not.
func findOrphans(file string, pids []int) (met []*orphan, deaf []int) {
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
			case errors.Is(err, os.ErrDeadlineExceeded), sock.Again(err): // the queue of one that accepts nobody is full
				deaf = append(deaf, pid)
			}
		})
	}
	all.Wait()
	return met, deaf
}

// findLateOrphans does so for some moments: all who come within them, of the configuration file.
func findLateOrphans(file string) (all []*orphan) {
	for until := time.Now().Add(gatherFor); time.Now().Before(until); time.Sleep(lookPause) {
		met, _ := findOrphans(file, nil)
		all = append(all, met...)
	}
	return all
}

// Columns of /proc/net/unix.
const (
	unixFlags  = 3
	unixInode  = 6
	unixPath   = 7
	unixFields = 8

	unixListens = "00010000" // __SO_ACCEPTCON; a connection has the name of its listener
)

func waitingOrphans(file string, pids []int) (names []string) {
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) != unixFields || f[unixFlags] != unixListens {
			continue
		}
		if number, of, ok := link.ReadOrphanName(f[unixPath], os.Getuid(), file); ok && (of || slices.Contains(pids, number)) {
			names = append(names, f[unixPath])
		}
	}
	return names
}

// meet has an orphan say who it is. The pid is also returned with an error, if it is known.
func meet(name string) (o *orphan, pid int, err error) {
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
	control := os.NewFile(uintptr(fd), "control")
	defer control.Close()
	control.SetReadDeadline(time.Now().Add(meetTimeout))
	o = &orphan{pid: pid, text: -1, shared: -1, control: -1}
	if err = o.hear(control); err == nil {
		o.control, err = dupOf(control)
	}
	if err != nil {
		leaveOrphan(o)
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

// hear takes the introduction, and the listeners.
func (o *orphan) hear(control *os.File) error {
	raw, err := control.SyscallConn()
	if err != nil {
		return err
	}
	m, fds, err := next(raw, link.Orphan)
	if err == nil && len(fds) != 2 {
		err = fmt.Errorf("%d descriptors have come instead of 2", len(fds))
	}
	if err != nil {
		sock.CloseAll(fds)
		return err
	}
	o.text, o.shared = fds[0], fds[1]
	if len(m.Body) > 0 {
		if err := link.ParseBody(m, &o.drains); err != nil {
			return err
		}
	}
	text, err := sock.ReadAll(o.text)
	if err != nil {
		return err
	}
	spec, err := parseSpec(text)
	if err != nil {
		return err
	}
	o.spec = *spec
	if _, err := control.Write(link.AppendMessage(nil, link.Message{Kind: link.Lend})); err != nil {
		return err
	}
	for more := true; more; {
		m, fds, err := next(raw, link.Lent)
		var body link.LentBody
		if err == nil {
			err = link.ParseBody(m, &body)
		}
		if err == nil && len(fds) != len(body.Listeners) {
			err = fmt.Errorf("%d listeners have come with %d descriptors", len(body.Listeners), len(fds))
		}
		if err != nil {
			sock.CloseAll(fds)
			return err
		}
		for i, l := range body.Listeners {
			o.lent = append(o.lent, lentSocket{l, fds[i]})
		}
		more = body.More
	}
	return nil
}

// next waits for a message of that kind.
func next(raw syscall.RawConn, kind link.Kind) (link.Message, []int, error) {
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, maxControlFDs)
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

// leaveOrphan lets an orphan wait for another master.
func leaveOrphan(o *orphan) {
	for _, fd := range []int{o.text, o.shared, o.control} {
		if fd >= 0 {
			sock.Close(fd)
		}
	}
	for _, l := range o.lent {
		sock.Close(l.fd)
	}
}

// findClaimants returns the workers of Pinion, of this user, that listen on one of these addresses.
func findClaimants(on []config.Listen) (all []claimant) {
	var sockets map[string]bool
	for _, p := range processesOf(os.Getuid()) {
		if len(p.args) < 2 || p.args[1] != "worker" || p.state == 'Z' {
			continue
		}
		c := claimant{pid: p.pid, stopped: p.state == 'T'}
		if parent, ok := readProcess(p.parent); ok && parent.isMasterOf(p) {
			if c.parent = inEnvironment(parent.pid, inheritedVariable) || dying(parent.pid); !c.parent {
				continue
			}
		}
		if sockets == nil {
			sockets = listeningOn(on)
		}
		if p.holds(sockets) {
			c.ours = sameBinary(p.pid)
			all = append(all, c)
		}
	}
	return all
}

// procProcess is a process as /proc shows it.
type procProcess struct {
	pid, parent int
	state       byte
	args        []string
}

func processesOf(uid int) (all []procProcess) {
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		info, err := os.Stat("/proc/" + d.Name())
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(uid) {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

// readProcess tells that there is no such process, or not any more.
func readProcess(pid int) (p procProcess, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" ")) // the name before it can be anything
	if _, err := fmt.Sscanf(string(rest), "%c %d", &p.state, &p.parent); err != nil {
		return p, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return p, false
	}
	p.pid, p.args = pid, strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
	return p, true
}

// isMasterOf tells whether a process, the parent of a worker, is one that looks after it. A keeper has no workers of its
// own, but those whose master has died.
func (p *procProcess) isMasterOf(worker procProcess) bool {
	return p.state != 'Z' && p.args[0] == worker.args[0] && (len(p.args) < 2 || p.args[1] != "worker") && !isKeeper(p.pid)
}

// holds tells whether a process has one of these sockets open.
func (p *procProcess) holds(sockets map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", p.pid)
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		return err == nil && sockets[to]
	})
}

// keeperComm is what a keeper calls itself, so that what is meant for the proxy by its name goes to the master alone.
const keeperComm = "pinion-keeper"

func isKeeper(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm)) == keeperComm
}

// dying tells whether a process is to be killed as soon as it runs again.
func dying(pid int) bool {
	const killed = 1 << (syscall.SIGKILL - 1)
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		if pending, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil && pending&killed != 0 {
			return true
		}
	}
	return false
}

// sameBinary tells whether a process runs the file that this one runs.
func sameBinary(pid int) bool {
	own, err := os.Stat("/proc/self/exe")
	other, errOther := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && errOther == nil && os.SameFile(own, other)
}

// inEnvironment tells whether a process was born with a variable.
func inEnvironment(pid int, name string) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return bytes.Contains(append([]byte{0}, text...), []byte("\x00"+name+"="))
}

// listeningOn returns the sockets that listen on one of these addresses, or on the same port of another one, as /proc
// writes them. Of those that the kernel does not tell about nothing is known.
func listeningOn(on []config.Listen) map[string]bool {
	ports, paths, sockets := map[uint16]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range on {
		if l.Network == "unix" {
			paths[l.Address] = true
		} else {
			ports[l.AddrPort.Port()] = true
		}
	}
	note := func(inode string) { sockets["socket:["+inode+"]"] = true }
	sock.ListeningTCP(func(port uint16, inode uint32) {
		if ports[port] {
			note(strconv.FormatUint(uint64(inode), 10))
		}
	})
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == unixFields && f[unixFlags] == unixListens && paths[f[unixPath]] {
			note(f[unixInode])
		}
	}
	return sockets
}

// signalSharers sends a signal to all workers, but no other process, that have the memory file open which fd is in this one.
// A master that keeps it is not among them, and nobody else can have it by accident.
func signalSharers(fd int, s syscall.Signal) {
	own, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return
	}
	for _, p := range processesOf(os.Getuid()) {
		if len(p.args) < 2 || p.args[1] != "worker" || p.state == 'Z' || !p.has(own) {
			continue
		}
		if worker, err := os.FindProcess(p.pid); err == nil {
			if again, ok := readProcess(p.pid); ok && slices.Equal(again.args, p.args) { // worker is nobody else
				worker.Signal(s)
			}
			worker.Release()
		}
	}
}

// has tells whether a process has a file open.
func (p *procProcess) has(file os.FileInfo) bool {
	dir := fmt.Sprintf("/proc/%d/fd", p.pid)
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || !strings.HasPrefix(target, "/memfd:") { // looking at whatever else is there could take long
			return false
		}
		other, err := os.Stat(filepath.Join(dir, e.Name()))
		return err == nil && os.SameFile(file, other)
	})
}

// killStray ends a process that nobody waits for.
func killStray(pid int) { syscall.Kill(pid, syscall.SIGKILL) }
