// One program of one library: run it in all settings, and read what it says.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// programLimit is how long a program may take: its checks have limits of their own.
const programLimit = 150 * time.Second

// check is what a program says of one thing that it has tried.
type check struct {
	name   string
	ok     bool
	reason string // why not
}

// result is what a program says in one setting.
type result struct {
	version string
	checks  []check
	absent  string // why the library could not be had
}

// runEverywhere runs the program of a library in all settings at once. They share no server.
func (l library) runEverywhere(s *scene, work string) outcome {
	o := outcome{library: l}
	addresses := s.redis
	if l.memcached {
		addresses = s.memcached
	}
	var all sync.WaitGroup
	for setting, address := range addresses {
		all.Go(func() { o.results[setting] = l.run(address, settingNames[setting], work) })
	}
	all.Wait()
	return o
}

func (l library) run(address, setting, work string) result {
	host, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	program := l.program[0]
	if strings.HasPrefix(program, "bin/") {
		program = filepath.Join(work, program)
	}
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(l.program[1:]), host, port)...)
	var said, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaints
	cmd.Dir = filepath.Join(work, "clients")
	cmd.Env = append(os.Environ(), "COMPAT_BIN="+filepath.Join(work, "bin"), "COMPAT_VARIANT="+l.variant)
	// A program of its own group: what it has started ends with it. Whoever holds its output after that is not waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("has not ended within %v", programLimit)
	}
	log := filepath.Join(work, "log", l.fileName()+"."+setting+".log")
	if e := os.WriteFile(log, slices.Concat(said.Bytes(), []byte("---\n"), complaints.Bytes()), 0o644); e != nil {
		err = errors.Join(err, e)
	}
	return parse(said.String(), err)
}

// fileName is the library's name as a file can have it.
func (l library) fileName() string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,/{}@", r) {
			return '_'
		}
		return r
	}, l.name)
}

// parse reads what a program says. What is no word of ours is the library's business.
func parse(text string, ended error) (r result) {
	done := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "version":
			r.version = rest
		case "absent":
			r.absent = rest
			return r
		case "ok":
			r.checks = append(r.checks, check{name: rest, ok: true})
		case "FAIL":
			name, reason, _ := strings.Cut(rest, ": ")
			r.checks = append(r.checks, check{name: name, reason: reason})
		case "done":
			done = true
		}
	}
	if !done {
		r.checks = append(r.checks, check{name: "the program", reason: fmt.Sprintf("ended before its last check: %v", ended)})
	}
	return r
}
