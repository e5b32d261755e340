package master

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
)

// The configuration may be wrong elsewhere: what it says of the log holds all the same, and the reason is in that log.
func TestFirstLinesAreAsConfigured(t *testing.T) {
	dir := t.TempDir()
	log, conf := filepath.Join(dir, "log"), filepath.Join(dir, "conf.yml")
	text := "global:\n  log_file: " + log + "\n  log_format: json\nalpha:\n  listen: nonsense\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	events := make(chan event)
	w := newWorld(func(e event) { events <- e })
	w.seal = func() {}
	if err := run(Options{ConfigFile: conf, Verbosity: 5, Build: "1.2.3"}, w, events); err == nil {
		t.Fatal("it has started")
	}
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(written), "\n"), "\n")
	if len(lines) < 2 || !strings.Contains(lines[0], `"event":"started"`) {
		t.Errorf("the log is %q", lines)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("%q is no object", line)
		}
	}
}

// The command line comes first.
func TestFirstLog(t *testing.T) {
	dir := t.TempDir()
	conf, pipe := filepath.Join(dir, "conf.yml"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text   string
		o      Options
		want   firstLog
		opened string
	}{
		{"global:\n  log_format: json\n", Options{}, firstLog{"", config.LogJSON}, ""},
		{"global:\n  log_format: json\n", Options{LogFormat: config.LogText}, firstLog{"", config.LogText}, ""},
		{"global:\n  log_file: " + dir + "/a\n", Options{}, firstLog{dir + "/a", config.LogText}, dir + "/a"},
		{"global:\n  log_file: " + dir + "/a\n", Options{Output: dir + "/b"}, firstLog{dir + "/b", config.LogText}, dir + "/b"},
		{"global:\n  log_file: " + dir + "/missing/a\n", Options{}, firstLog{dir + "/missing/a", config.LogText}, ""},
		{"global:\n  log_file: " + pipe + "\n", Options{}, firstLog{pipe, config.LogText}, ""},
		{"global: [", Options{}, firstLog{"", config.LogText}, ""},
	} {
		if err := os.WriteFile(conf, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.o.ConfigFile = conf
		l := readFirstLog(&c.o)
		if *l != c.want {
			t.Errorf("%q, %+v: got %v, want %v", c.text, c.o, *l, c.want)
		}
		sink, err := l.open(&c.o)
		if err != nil {
			t.Fatal(err)
		}
		sink.Close()
		if l.File != c.opened {
			t.Errorf("%q: opened %q, want %q", c.text, l.File, c.opened)
		}
	}
}
