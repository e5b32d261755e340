// Processes as /proc shows them.

package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Info is a process as /proc shows it.
type Info struct {
	PID, Parent int
	State       byte   // one letter, see proc_pid_stat(5): T stopped, Z dead and not waited for
	Started     uint64 // ticks after the boot; with PID it is never another process
	Args        []string
}

// List returns the processes of a user.
func List(uid int) (all []Info) {
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
		if p, ok := Read(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

// Read looks at one process; false: there is none, or not any more.
func Read(pid int) (p Info, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" ")) // the name before it can be anything
	fields := strings.Fields(string(rest))
	const state, parent, started = 0, 1, 19 // the first field after the name is the third of all
	if len(fields) <= started {
		return p, false
	}
	p.State = fields[state][0]
	var errParent, errStarted error
	p.Parent, errParent = strconv.Atoi(fields[parent])
	p.Started, errStarted = strconv.ParseUint(fields[started], 10, 64)
	if errParent != nil || errStarted != nil {
		return p, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return p, false
	}
	p.PID, p.Args = pid, strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
	return p, true
}

// IsWorker reports whether its command line is that of a worker.
func (p *Info) IsWorker() bool { return len(p.Args) > argWorker && p.Args[argWorker] == workerCommand }

// Holds reports whether a process has one of these sockets open. They are written as in /proc: socket:[inode].
func (p *Info) Holds(sockets map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", p.PID)
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		return err == nil && sockets[to]
	})
}

// Dying reports whether a process is to be killed as soon as it runs again.
func Dying(pid int) bool {
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

// SameBinary reports whether a process runs the file that this one runs.
func SameBinary(pid int) bool {
	own, err := os.Stat("/proc/self/exe")
	other, errOther := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && errOther == nil && os.SameFile(own, other)
}

// KeepsPIDFile reports whether a process is a master that was given the pid file of that path, as far as this user may see. The
// parent of this process may have been given the same options: with -d it starts this one and ends.
func KeepsPIDFile(pid int, path string) bool {
	p, ok := Read(pid)
	if !ok || p.State == 'Z' || pid == os.Getppid() || Dying(pid) || !sameProgram(pid) {
		return false
	}
	own, err := os.Stat(path)
	if err != nil {
		return false
	}
	cwd := fmt.Sprintf("/proc/%d/cwd", pid)
	return slices.ContainsFunc(p.Args[1:], func(arg string) bool {
		if _, value, ok := strings.Cut(arg, "="); ok { // --pid-file=FILE
			arg = value
		}
		arg = strings.TrimPrefix(arg, "-p") // -pFILE
		if arg == "" {
			return false
		}
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(cwd, arg)
		}
		other, err := os.Stat(arg)
		return err == nil && os.SameFile(own, other)
	})
}

// sameProgram is SameBinary, or reports that the process runs one of the same name: an upgrade may have been installed since.
func sameProgram(pid int) bool {
	name := func(pid string) string {
		to, _ := os.Readlink("/proc/" + pid + "/exe")
		return filepath.Base(strings.TrimSuffix(to, " (deleted)"))
	}
	return SameBinary(pid) || name("self") != "." && name("self") == name(strconv.Itoa(pid))
}

// InEnvironment reports whether a process was born with a variable.
func InEnvironment(pid int, name string) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return bytes.Contains(append([]byte{0}, text...), []byte("\x00"+name+"="))
}

// has reports whether a process has a file open.
func (p *Info) has(file os.FileInfo) bool {
	dir := fmt.Sprintf("/proc/%d/fd", p.PID)
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

// ChildrenOf returns the pids of the children of a process.
func ChildrenOf(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may end meanwhile
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// SameCommand reports whether a process has the command line of this one, as all masters of a service have.
func SameCommand(pid int) bool {
	own, err := os.ReadFile("/proc/self/cmdline")
	other, errOther := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && errOther == nil && len(own) > 0 && string(own) == string(other)
}

// PIDNamespace returns what the kernel calls the namespace in which this process knows others by their pids; 0 where /proc
// does not tell.
func PIDNamespace() uint64 {
	info, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// Alive reports whether a process runs, or could.
func Alive(pid int) bool {
	p, ok := Read(pid)
	return ok && p.State != 'Z'
}
