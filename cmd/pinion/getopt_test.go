package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// How scripts spell nutcracker's options, and what the cli package gets to see.
func TestArrange(t *testing.T) {
	for _, c := range []struct {
		line string // words are parted by spaces; _ stands for an empty one
		want string
		err  string
	}{
		{line: "", want: ""},
		{line: "-d", want: "--daemonize"},
		{line: "-dtV", want: "--daemonize --test-conf --version"},
		{line: "-v 7", want: "--verbose=7"},
		{line: "-v7", want: "--verbose=7"},
		{line: "-dv7", want: "--daemonize --verbose=7"},
		{line: "-dv 7 -t", want: "--daemonize --verbose=7 --test-conf"},
		{line: "-v -1", want: "--verbose=-1"},
		{line: "-c -", want: "--conf-file=-"},
		{line: "-c _", want: "--conf-file="},
		{line: "-ofile=x", want: "--output=file=x"},
		{line: "--conf-file x", want: "--conf-file=x"},
		{line: "--conf-file=x=y", want: "--conf-file=x=y"},
		{line: "--conf-file=", want: "--conf-file="},
		{line: "--conf x --daemon", want: "--conf-file=x --daemonize"},
		{line: "--test", want: "--test-conf"},
		{line: "-h", want: "--help"},
		{line: "-?", want: "--help"},
		{line: "--", want: ""},
		{line: "-d --", want: "--daemonize"},

		{line: "-x", err: "invalid option -- 'x'"},
		{line: "-dx", err: "invalid option -- 'x'"},
		{line: "--nope", err: `unknown option --nope; did you mean "--zone"?`},
		{line: "--stats 1", err: "option --stats may mean --stats-port or --stats-addr"},
		{line: "--daemonize=no", err: "option --daemonize takes no value"},
		{line: "-d -v", err: "option -v requires a number: -v N"},
		{line: "-dv", err: "option -v requires a number: -v N"},
		{line: "-o", err: "option -o requires a file name: -o FILE"},
		{line: "-a", err: "option -a requires an address: -a ADDR"},
		{line: "--workers", err: "option --workers requires a number: --workers N"},
		{line: "-", err: `unknown command "-"; known are check, config, route, demo, status, top, clients, slowlog, hotkeys, bigkeys, monitor, reload, upgrade, failover, drain, stop, give-back, take-sockets, log, version, help, completion`},
		{line: "-t conf/x.yml", want: "--test-conf"},
		{line: "-c x -d y z", want: "--conf-file=x --daemonize"},
		{line: "conf/x.yml -t", err: `unknown command "conf/x.yml"; a configuration file is given with -c`},
		{line: "-t x reload", err: `command "reload" must come first: pinion reload [options]`},
		{line: "-d -- check", err: `command "check" must come first: pinion check [options]`},

		{line: "check", want: "check --"},
		{line: "check -cx", want: "check --conf-file=x --"},
		{line: "check -d", err: "invalid option -- 'd'"},
		{line: "check -h", want: "check --help --"},
		{line: "log reopen --help", want: "log --help --"},
		{line: "route k1 -c x k2 --json", want: "route --conf-file=x --json -- k1 k2"},
		{line: "route -c x -- -k --json", want: "route --conf-file=x -- -k --json"},
		{line: "route _ -", want: "route -- _ -"},
		{line: "worker 3", want: "worker -- 3"},
	} {
		args := strings.Fields(c.line)
		for i := range args {
			args[i] = strings.Replace(args[i], "_", "", 1)
		}
		got, err := arrange(newApp(io.Discard, io.Discard), args)
		want := strings.Fields(c.want)
		for i := range want {
			want[i] = strings.Replace(want[i], "_", "", 1)
		}
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %q", c.line, err, c.err)
			}
		case err != nil:
			t.Errorf("%q: error %v", c.line, err)
		case !slices.Equal(got, want):
			t.Errorf("%q becomes %q, want %q", c.line, got, want)
		}
	}
}

// Every letter of nutcracker is an option here, described in the help and in the usage line.
func TestEveryOptionIsDocumented(t *testing.T) {
	var help strings.Builder
	if status := run([]string{"pinion", "-h"}, io.Discard, &help); status != 0 {
		t.Fatalf("status %d", status)
	}
	flags := rootFlags()
	for _, letter := range "hVtdDvocsaipm" {
		f := byLetter(flags, string(letter))
		if f == nil {
			t.Errorf("no option -%c", letter)
			continue
		}
		if !strings.Contains(help.String(), "  "+strings.SplitN(describe(f), "\t", 2)[0]+" ") {
			t.Errorf("-%c is not in the help", letter)
		}
		if !strings.ContainsRune(strings.Split(rootUsage, "--")[0], letter) {
			t.Errorf("-%c is not in the usage line", letter)
		}
	}
	for line := range strings.Lines(help.String()) {
		if strings.ContainsAny(line, "\t`") || len([]rune(line)) > 121 {
			t.Errorf("line of the help is not laid out: %q", line)
		}
	}
}
