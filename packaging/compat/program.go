// One program of one library: run it in all settings, and read what it says.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	var all sync.WaitGroup
	for setting := range settings {
		switch {
		case l.runsIn(setting):
			all.Go(func() { o.results[setting] = l.run(s, setting, work) })
		case setting == withTLS:
			o.results[setting].checks = []check{{name: "anything", reason: "its program speaks no TLS"}}
		}
	}
	all.Wait()
	return o
}

// runsIn tells whether the library is tried in a setting.
func (l library) runsIn(setting int) bool {
	if setting == withTLS {
		return l.tls != noTLS
	}
	return !l.onlyTLS
}

func (s *scene) addressOf(l library, setting int) string {
	switch {
	case setting == withTLS:
		return s.encrypted.pools[s.encrypted.poolOf(l)]
	case l.memcached:
		return s.memcached[setting]
	}
	return s.redis[setting]
}

// run runs the program once.
func (l library) run(s *scene, setting int, work string) result {
	host, port, _ := net.SplitHostPort(s.addressOf(l, setting))
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	program := l.program[0]
	if strings.HasPrefix(program, "bin/") {
		program = filepath.Join(work, program)
	}
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(l.program[1:]), host, port)...)
	var spoken words
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &spoken, &complaints
	cmd.Dir = filepath.Join(work, "clients")
	cmd.Env = append(os.Environ(), "COMPAT_BIN="+filepath.Join(work, "bin"), "COMPAT_VARIANT="+l.variant)
	moved := make(chan check, 1)
	if setting == withTLS {
		e := &s.encrypted
		cmd.Env = append(cmd.Env, e.environment(l)...)
		if err := spoken.onWait(cmd, func() { moved <- e.replaced(e.poolOf(l)) }); err != nil {
			return parse("", err)
		}
	}
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
	log := filepath.Join(work, "log", l.fileName()+"."+settingNames[setting]+".log")
	if e := os.WriteFile(log, slices.Concat(spoken.said.Bytes(), []byte("---\n"), complaints.Bytes()), 0o644); e != nil {
		err = errors.Join(err, e)
	}
	r := parse(spoken.said.String(), err)
	if setting == withTLS && r.absent == "" {
		r.checks = append(r.checks, spoken.wasMoved(moved))
	}
	return r
}

// words are what a program says. When it says that it waits, something is done, and it is told to go on.
type words struct {
	said   bytes.Buffer // no embedded one: its ReadFrom would pass Write by
	goOn   func()       // nil: nobody waits, or no more
	waited bool
}

func (w *words) Write(p []byte) (int, error) {
	n, err := w.said.Write(p)
	if w.goOn != nil && bytes.Contains(w.said.Bytes(), []byte("\nwaits\n")) {
		go w.goOn()
		w.goOn, w.waited = nil, true
	}
	return n, err
}

func (w *words) onWait(cmd *exec.Cmd, do func()) error {
	in, err := cmd.StdinPipe()
	w.goOn = func() {
		do()
		io.WriteString(in, "go on\n")
	}
	return err
}

// wasMoved is what has become of a program's connections while it waited. It is asked when the program has ended.
func (w *words) wasMoved(result chan check) check {
	if !w.waited {
		return check{name: movedName, reason: "the program has not waited for it"}
	}
	return <-result
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
