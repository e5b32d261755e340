// The programs that are compared, and the configuration that both get.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

// contestant is a proxy as a command line. {config}, {stats} and {log} in it stand for the configuration file, the
// statistics port and the log file; where {config} is missing, nutcracker's options for the three are appended.
type contestant struct {
	name   string
	args   []string
	keys   []string // additional lines for each pool of its configuration
	global []string // lines of its options for the whole process
	tls    string   // behind each address that it listens at
}

const usualOptions = " -c {config} -s {stats} -a 127.0.0.1 -o {log}"

// newContestant reads "[NAME=]PROGRAM [ARGUMENT…]". Without a name, the program's last path element is one.
func newContestant(text string, keys []string) (c contestant, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return c, errors.New("a contestant needs a command")
	}
	if name, rest, named := strings.Cut(words[0], "="); named {
		c.name, words[0] = name, rest
	} else {
		c.name = filepath.Base(words[0])
	}
	if words[0], err = lookProgram(words[0]); err != nil {
		return c, err
	}
	if !strings.Contains(text, "{config}") {
		words = append(words, strings.Fields(usualOptions)...)
	}
	c.args, c.keys = words, keys
	return c, nil
}

// lookProgram finds a program beside this one, then where the shell would. The path is absolute, since programs run in
// a directory of their own.
func lookProgram(name string) (string, error) {
	if self, err := os.Executable(); err == nil && !strings.Contains(name, "/") {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// command returns the arguments for one start.
func (c *contestant) command(config, stats, log string) []string {
	fill := strings.NewReplacer("{config}", config, "{stats}", stats, "{log}", log)
	args := make([]string, len(c.args))
	for i, arg := range c.args {
		args[i] = fill.Replace(arg)
	}
	return args
}

// configFile returns a nutcracker.yml: one pool for each address of listen, all of them over the same servers.
func (c *contestant) configFile(p load.Protocol, listen, servers []string) string {
	var b strings.Builder
	if len(c.global) > 0 {
		fmt.Fprintf(&b, "global:\n  %s\n", strings.Join(c.global, "\n  "))
	}
	for i, address := range listen {
		fmt.Fprintf(&b, "pool%d:\n  listen: %s%s\n  redis: %t\n", i, address, c.tls, p == load.Redis)
		fmt.Fprintf(&b, "  hash: fnv1a_64\n  distribution: ketama\n  preconnect: true\n")
		for _, key := range c.keys {
			fmt.Fprintf(&b, "  %s\n", key)
		}
		fmt.Fprintf(&b, "  servers:\n")
		for j, server := range servers {
			fmt.Fprintf(&b, "    - %s:1 server%d\n", server, j)
		}
	}
	return b.String()
}
