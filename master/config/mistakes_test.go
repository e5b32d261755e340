// What operators get wrong, and what they read then: each mistake has a line that names the place, the key and what to do.
// "go test ./master/config -run Mistakes -update" writes the lines anew, to be reviewed.

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const mistakesFile = "testdata/mistakes.txt"

// mistake is "== key: what is wrong", a configuration, and lines of what is said, each after "> ".
type mistake struct {
	title string
	text  []byte
	said  []string
}

func readMistakes(t *testing.T) []mistake {
	var all []mistake
	for line := range bytes.Lines(readFile(t, mistakesFile)) {
		title, begins := strings.CutPrefix(string(line), "== ")
		said, is := strings.CutPrefix(string(line), "> ")
		switch {
		case begins:
			all = append(all, mistake{title: strings.TrimSpace(title)})
			continue
		case len(all) == 0:
			t.Fatalf("%s begins with %q", mistakesFile, line)
		}
		m := &all[len(all)-1]
		if is {
			m.said = append(m.said, strings.TrimSuffix(said, "\n"))
		} else {
			m.text = append(m.text, line...)
		}
	}
	return all
}

// testMachine has two addresses and two folders.
var testMachine = Machine{Workers: 4, Descriptors: 1024,
	Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5")},
	Bind: func(a netip.Addr) error {
		if a.IsLoopback() || a.IsUnspecified() || a == netip.MustParseAddr("10.0.0.5") {
			return nil
		}
		return &os.SyscallError{Syscall: "bind", Err: syscall.EADDRNOTAVAIL}
	},
	Folder: func(path string) error {
		switch path {
		case "/run", "/tmp":
			return nil
		case "/etc/passwd":
			return syscall.ENOTDIR
		}
		return &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOENT}
	},
	Lookup: func(host string) []netip.Addr {
		if host == "here.example" {
			return []netip.Addr{netip.MustParseAddr("10.0.0.5")}
		}
		return nil
	},
}

// complaints returns what pinion check says.
func complaints(text []byte) []string {
	c, err := parse("f", text, resolveTest)
	var all Problems
	if !errors.As(err, &all) {
		all = c.Warnings(testMachine)
	}
	var lines []string
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return lines
}

var placed = regexp.MustCompile(`^f:\d+:\d+: `)

func TestMistakes(t *testing.T) {
	all := readMistakes(t)
	const enough = 46
	if len(all) < enough {
		t.Errorf("%d mistakes, want %d", len(all), enough)
	}
	var written bytes.Buffer
	for _, m := range all {
		got := complaints(m.text)
		fmt.Fprintf(&written, "== %s\n%s", m.title, m.text)
		for _, line := range got {
			fmt.Fprintf(&written, "> %s\n", line)
		}
		if !*update && strings.Join(got, "\n") != strings.Join(m.said, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", m.title, strings.Join(got, "\n"), strings.Join(m.said, "\n"))
		}
		m.check(t, got)
	}
	if *update {
		golden(t, mistakesFile, written.String())
	}
}

// check finds a line that is of no help.
func (m *mistake) check(t *testing.T, lines []string) {
	key, _, _ := strings.Cut(m.title, ":")
	if !strings.Contains(strings.Join(lines, "\n"), key) {
		t.Errorf("%s: no line names %s:\n%s", m.title, key, strings.Join(lines, "\n"))
	}
	for _, line := range lines {
		if !placed.MatchString(line) || !strings.Contains(line, "; ") {
			t.Errorf("%s: a line has no place, or does not say what to do: %s", m.title, line)
		}
		if len(line) > 300 {
			t.Errorf("%s: nobody reads to the end of %s", m.title, line)
		}
	}
}
