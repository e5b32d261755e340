// Transcripts: the master's whole policy, played on a fake machine with a stepped clock and written down in testdata.
// Lines that begin with "> " happen to the master; the lines below are what it does, each with the seconds since the
// start.

package master

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) && !*update {
				t.Errorf("transcript differs; got:\n%s", got)
			}
		})
	}
}

// play returns the transcript of the "> " lines of a transcript. Comments and empty lines are kept.
func play(t *testing.T, script string) string {
	machine := newMachine()
	var out strings.Builder
	for line := range strings.Lines(script) {
		switch {
		case strings.HasPrefix(line, "> "):
			out.WriteString(line)
			machine.happen(t, strings.Fields(line)[1:])
			out.WriteString(machine.log.String())
			machine.log.Reset()
		case line == "\n", strings.HasPrefix(line, "#"):
			out.WriteString(line)
		}
	}
	return out.String()
}

// happen carries out one line: a word and its arguments.
func (f *machine) happen(t *testing.T, words []string) {
	args := words[1:]
	if words[0] != "start" && f.master == nil {
		t.Fatalf("%v before start", words)
	}
	switch words[0] {
	case "start": // option=value…, see configure
		f.start(t, args)
	case "ready": // slot
		f.say(t, args[0], link.Message{Kind: link.Ready})
	case "log": // slot level text…
		body := append([]byte{byte(number(t, args[1]))}, strings.Join(args[2:], " ")...)
		f.say(t, args[0], link.Message{Kind: link.Log, Body: body})
	case "stderr": // slot text…
		f.master.handle(event{from: f.worker(t, args[0]), kind: wrote, text: strings.Join(args[1:], " ")})
	case "hangup": // slot
		f.master.handle(event{from: f.worker(t, args[0]), kind: hungUp})
	case "exit": // slot status…
		p := f.worker(t, args[0])
		f.master.handle(event{from: p, kind: hungUp})
		f.master.handle(event{from: p, kind: exited, text: strings.Join(args[1:], " ")})
	case "signal": // name
		f.master.signal(signalNamed(t, args[0]))
	case "advance": // duration
		f.advance(t, args[0])
	case "machine": // option=value…, see configure
		f.configure(t, args)
	default:
		t.Fatalf("unknown event %q", words[0])
	}
	f.ended()
}

// advance lets time pass, stopping at every deadline as the loop's timer would.
func (f *machine) advance(t *testing.T, by string) {
	d, err := time.ParseDuration(by)
	if err != nil {
		t.Fatal(err)
	}
	until := f.clock.Add(d)
	for {
		next := f.master.deadline()
		if next.IsZero() || next.After(until) {
			break
		}
		f.clock = next
		f.master.tick()
		if f.master.deadline() == next {
			t.Fatalf("the deadline %s is due again after it was served", next.Sub(f.master.startedAt))
		}
	}
	f.clock = until
}

func (f *machine) say(t *testing.T, slot string, m link.Message) {
	f.master.handle(event{from: f.worker(t, slot), kind: said, message: m})
}

// worker returns the latest process of a slot, which may be a dead one.
func (f *machine) worker(t *testing.T, slot string) *process {
	p := f.workers[number(t, slot)]
	if p == nil {
		t.Fatalf("slot %s never had a worker", slot)
	}
	return p
}

// ended prints the result of Run as soon as there is one.
func (f *machine) ended() {
	if f.master.phase == stopped && !f.finished {
		f.finished = true
		f.printf("run returns: %v", f.master.finish())
	}
}

func signalNamed(t *testing.T, name string) syscall.Signal {
	for s, w := range watched {
		if w.name == name {
			return s.(syscall.Signal)
		}
	}
	t.Fatalf("signal %s is not watched", name)
	return 0
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// printf adds a line to the transcript.
func (f *machine) printf(format string, args ...any) {
	since := f.clock.Sub(epoch).Seconds()
	fmt.Fprintf(&f.log, "%8.3f %s\n", since, fmt.Sprintf(format, args...))
}
