package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/master/config"
)

// page returns what a hidden command writes.
func page(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if status := run(append([]string{"pinion"}, args...), &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("pinion %s: exit status %d, %s", args, status, &stderr)
	}
	return stdout.String()
}

func TestManualIsComplete(t *testing.T) {
	program := page(t, "manual", "pinion.8")
	app := newApp(nil, nil)
	for _, f := range app.VisibleFlags() {
		if !strings.Contains(program, `\-\-`+plain(long(f))) {
			t.Errorf("pinion.8 lacks option --%s", long(f))
		}
	}
	for _, c := range app.Commands {
		if has := strings.Contains(program, ".SS "+plain(c.Name)+": "); has == c.Hidden {
			t.Errorf("pinion.8 has command %s: %t, want %t", c.Name, has, !c.Hidden)
		}
	}
	for _, signal := range []string{"SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2", "SIGTTIN"} {
		if !strings.Contains(program, "\n\\fB"+signal) && !strings.Contains(program, "\n\\fI"+signal) {
			t.Errorf("pinion.8 lacks %s", signal)
		}
	}
	keys := page(t, "manual", "pinion.yml.5")
	for _, k := range config.Keys() {
		if !strings.Contains(keys, "\n\\fB"+k.Name+"\\fR\n") {
			t.Errorf("pinion.yml.5 lacks key %s", k.Name)
		}
	}
}

// Every command that a table knows has its place in the manual.
func TestManualOfCommands(t *testing.T) {
	text := strings.NewReplacer("\\-", "-", "\n", ", ", "\\(aq", "'").Replace(page(t, "manual", "pinion-commands.7"))
	for _, c := range resp.Commands() {
		names := []string{c.Name}
		if len(c.Subs) > 0 && c.Route == resp.Refuse {
			names = nil
			for _, sub := range c.Subs {
				names = append(names, sub.Name)
			}
		}
		for _, name := range names {
			if c.Local != resp.LocalHangUp && !strings.Contains(text, ", "+shownRow(name)+", ") {
				t.Errorf("%s is missing", shownRow(name))
			}
		}
	}
	for _, c := range memcache.Commands() {
		if !strings.Contains(text, ", "+c.Name+", ") {
			t.Errorf("%s is missing", c.Name)
		}
	}
}

// A line that begins with a dot is an order to roff; those that we give are few.
func TestManualIsRoff(t *testing.T) {
	orders := []string{".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".nf", ".fi", ".nh", ".ad", ".br", ".BR"}
	for _, name := range manualNames() {
		for i, line := range strings.Split(page(t, "manual", name), "\n") {
			known := !strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "'")
			for _, o := range orders {
				known = known || line == o || strings.HasPrefix(line, o+" ")
			}
			if !known {
				t.Errorf("%s:%d: %q is taken for an order", name, i+1, line)
			}
			if strings.Contains(line, "`") {
				t.Errorf("%s:%d: a backquote is left in %q", name, i+1, line)
			}
		}
	}
	for _, c := range []struct{ text, want string }{
		{".profile", `\&.profile`},
		{"a\n.b", "a\n\\&.b"},
		{"`-o`", `\fB\-o\fR`},
		{`C:\`, `C:\e`},
		{"it's", `it\(aqs`},
	} {
		if got := marked(c.text); got != c.want {
			t.Errorf("marked(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	if got, want := synopsis("pinion [-v N] [--control FILE]"), `\fBpinion\fR \fB[\-v\fR \fIN\fR] \fB[\-\-control\fR \fIFILE\fR]`; got != want {
		t.Errorf("synopsis: %s, want %s", got, want)
	}
}

// What bash would offer, asked of bash itself.
func TestCompletionInBash(t *testing.T) {
	script := page(t, "completion", "bash")
	for _, c := range []struct{ line, has, lacks string }{
		{"pinion re", "reload", "route"},
		{"pinion r", "route", "drain"},
		{"pinion ", "upgrade", "worker"},
		{"pinion --st", "--stats-port", "--strict"},
		{"pinion upgrade --", "--timeout", "--stats-port"},
		{"pinion log ", "reopen", "upgrade"},
		{"pinion help up", "upgrade", "reopen"},
		{"pinion -c /et", "/etc", "reload"},
		{"pinion -v ", "", "reload"},
	} {
		ask := script + `
compopt() { :; } # there is no line that is being edited
IFS=' ' read -ra COMP_WORDS <<<"$LINE"
[[ $LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_pinion
printf '%s\n' "${COMPREPLY[@]}"`
		shell := exec.Command("bash", "-c", ask)
		shell.Env = []string{"LINE=" + c.line}
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		offered := "\n" + string(out)
		if !strings.Contains(offered, "\n"+c.has+"\n") || strings.Contains(offered, "\n"+c.lacks+"\n") {
			t.Errorf("%q: bash offers %q, want %q and not %q", c.line, out, c.has, c.lacks)
		}
	}
}

func TestCompletionIsComplete(t *testing.T) {
	zsh, fish := page(t, "completion", "zsh"), page(t, "completion", "fish")
	for _, c := range completions(newApp(nil, nil)) {
		for _, o := range c.options {
			if !strings.Contains(zsh, "'--"+o.long+"[") {
				t.Errorf("zsh is not told of --%s of %q", o.long, c.name)
			}
			if !strings.Contains(fish, " -l "+o.long) {
				t.Errorf("fish is not told of --%s of %q", o.long, c.name)
			}
		}
		if !strings.Contains(zsh, "'"+c.name+":") && c.name != "" || !strings.Contains(fish, " -a "+c.name) {
			t.Errorf("a shell is not told of %q", c.name)
		}
	}
	if strings.Contains(zsh+fish, "worker:") || strings.Contains(fish, "-a worker") {
		t.Error("shells are told of a command that is not for operators")
	}
}
