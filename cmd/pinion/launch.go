// A proxy as a child: started from this very binary, and heard of until its start has succeeded or failed. The daemon and
// the demo begin like this.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master"
)

// startFDVariable tells a launched proxy to which descriptor it writes how its start went: startedWell, or what it would
// have told the operator.
const startFDVariable = "PINION_START_FD"

const startedWell = "started\n"

// startError is what a launched proxy has said of its failure, in whole lines.
type startError string

func (e startError) Error() string { return strings.TrimSuffix(string(e), "\n") }

// launch starts the proxy with args and waits until it serves. A nil file is /dev/null. The child is neither killed nor
// waited for: it is the caller's, also if its start has failed after it was made. It gets the sockets that were passed to
// this process, see passOn. remarks are whole lines that it has for the operator.
func launch(args []string, stderr *os.File, sys *syscall.SysProcAttr) (child *os.Process, remarks string, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, "", err
	}
	defer null.Close()
	if stderr == nil {
		stderr = null
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer ours.Close()
	files := passOn([]uintptr{null.Fd(), null.Fd(), stderr.Fd()})
	pid, err := syscall.ForkExec("/proc/self/exe", append([]string{os.Args[0]}, args...), &syscall.ProcAttr{
		Env:   append(os.Environ(), startFDVariable+"="+strconv.Itoa(len(files))),
		Files: append(files, theirs.Fd()),
		Sys:   sys,
	})
	theirs.Close()
	if err != nil {
		return nil, "", &os.PathError{Op: "starting", Path: "/proc/self/exe", Err: err}
	}
	if child, err = os.FindProcess(pid); err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(ours)
	remarks, started := strings.CutSuffix(string(text), startedWell)
	switch {
	case err != nil:
		return child, "", err
	case started:
		return child, remarks, nil
	case len(text) == 0:
		return child, "", errors.New("the proxy ended before it could say why")
	}
	return child, "", startError(text)
}

// listenPIDVariable and listenFDsVariable tell which process was passed how many sockets, see sd_listen_fds(3): they are its
// descriptors from the first after the three standard ones.
const (
	listenPIDVariable = "LISTEN_PID"
	listenFDsVariable = "LISTEN_FDS"
)

// passOn appends the sockets that were passed to this process to the standard files of a child, where it looks for them.
// Their numbers alone are used: an *os.File could change how a socket blocks, for all who share it.
func passOn(standard []uintptr) []uintptr {
	n, err := strconv.Atoi(os.Getenv(listenFDsVariable))
	if err != nil || os.Getenv(listenPIDVariable) != strconv.Itoa(os.Getpid()) {
		return standard
	}
	for range n {
		standard = append(standard, uintptr(len(standard)))
	}
	return standard
}

// inheritSockets makes those of the launching process, which waits, this one's own: it could not know its pid.
func inheritSockets() {
	if os.Getenv(listenPIDVariable) == strconv.Itoa(os.Getppid()) {
		os.Setenv(listenPIDVariable, strconv.Itoa(os.Getpid()))
	}
}

// launched reports whether this process was started by launch.
func launched() bool { return os.Getenv(startFDVariable) != "" }

// reportStart has the options tell the launching process how the start went, if one waits for it.
func reportStart(o *master.Options) {
	fd, err := strconv.Atoi(os.Getenv(startFDVariable))
	if err != nil {
		return
	}
	os.Unsetenv(startFDVariable)
	inheritSockets()
	syscall.CloseOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "start report")
	o.Remark = remarkTo(pipe) // after Started into nothing
	o.Started = func(err error) {
		defer pipe.Close()
		if err != nil {
			explain(err, pipe, bareUsage)
			return
		}
		io.WriteString(pipe, startedWell) // an error means that the parent is gone
	}
}

func remarkTo(w io.Writer) func(string) {
	return func(text string) { fmt.Fprintf(w, "pinion: %s\n", text) }
}
