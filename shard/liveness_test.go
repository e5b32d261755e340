// Liveness as a transcript on a stepped clock, in every interleaving, and on garbage.

package shard

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

const (
	livenessFile = "testdata/liveness.txt"
	testLimit    = 2
	testRetry    = 1000
	testLease    = 100
)

var update = flag.Bool("update", false, "rewrite "+livenessFile+" from what the code does")

// transcript plays workers against one shared word. A worker loads the word, or asks it for an edge, which it then
// swaps in against the word it asked; in between, others may have been faster.
type transcript struct {
	shared Liveness
	seen   map[string]Liveness // the last word that a worker loaded or swapped in
}

// play runs one step, such as "20 a fail", and says what came of it.
func (tr *transcript) play(now int64, worker, op string) string {
	seen := tr.seen[worker]
	var next Liveness
	note, ok := "", true
	switch op {
	case "load":
		tr.seen[worker] = tr.shared
		return tr.shared.String()
	case "retry":
		ms, ok := seen.RetryAt(now)
		return fmt.Sprint(ms, " ", ok)
	case "fail":
		var ejected bool
		if next, ejected = seen.Fail(now, testLimit, testRetry); ejected {
			note = "ejects: "
		}
	case "succeed":
		next, ok = seen.Succeed()
	case "claim":
		if next, ok = seen.Claim(now, testLease); ok {
			note = "must probe: "
		}
	case "readmit":
		next = seen.Readmit()
	case "reject":
		next = seen.Reject(now, testRetry)
	default:
		panic("unknown step " + op)
	}
	if !ok || next == seen {
		return "nothing to do: " + next.String()
	}
	if tr.shared != seen {
		return "too late: " + tr.shared.String()
	}
	tr.shared, tr.seen[worker] = next, next
	return note + next.String()
}

func (tr *transcript) run(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			out.WriteString(line)
			*tr = transcript{seen: map[string]Liveness{}} // each paragraph begins with a zero word
			continue
		}
		step, _, _ := strings.Cut(line, " => ")
		var now int64
		var worker, op string
		if _, err := fmt.Sscan(step, &now, &worker, &op); err != nil {
			panic(fmt.Sprintf("step %q: %v", step, err))
		}
		fmt.Fprintf(&out, "%-14s => %s\n", strings.TrimSpace(step), tr.play(now, worker, op))
	}
	return out.String()
}

func TestLivenessTranscript(t *testing.T) {
	want, err := os.ReadFile(livenessFile)
	if err != nil {
		t.Fatal(err)
	}
	got := new(transcript).run(string(want))
	if *update {
		if err := os.WriteFile(livenessFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	wantLines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if line != wantLines[i] {
			t.Errorf("%s:%d:\ngot  %s\nwant %s", livenessFile, i+1, line, wantLines[i])
		}
	}
}

// However the steps of two workers interleave, one of them probes and the other does not.
func TestOneProberInEveryInterleaving(t *testing.T) {
	ejected, _ := Liveness(0).Fail(0, 1, testRetry)
	for order := range 1 << 4 {
		shared := ejected
		var seen [2]Liveness
		var step, probers [2]int
		for turn := range 4 {
			worker := order >> turn & 1
			switch step[worker]++; step[worker] {
			case 1:
				seen[worker] = shared
			case 2:
				if next, ok := seen[worker].Claim(testRetry, testLease); ok && shared == seen[worker] {
					shared = next
					probers[worker]++
				}
			}
		}
		if step == [2]int{2, 2} && probers[0]+probers[1] != 1 {
			t.Errorf("order %04b: %v probers", order, probers)
		}
	}
}

// A damaged word never panics where no prober holds it, and finds its way back to the ring within one probe.
func FuzzLivenessGarbage(f *testing.F) {
	for _, word := range []uint64{0, 1, 1 << 48, 2 << 48, 3 << 48, 1<<49 - 1, 3<<48 - 1, math.MaxUint64} {
		f.Add(word, int64(5000))
	}
	f.Fuzz(func(t *testing.T, word uint64, now int64) {
		now &= 1<<40 - 1
		l := Liveness(word)
		_ = l.String()
		if name := l.State().String(); strings.HasPrefix(name, "state(") {
			t.Fatalf("%#x is in state %s", word, name)
		}
		if l.Failures() < 0 {
			t.Fatalf("%#x has %d failures", word, l.Failures())
		}
		if next, changed := l.Succeed(); changed && next != 0 {
			t.Fatalf("%#x succeeds to %v", word, next)
		}
		if _, ejected := l.Fail(now, 1, testRetry); ejected != l.Alive() {
			t.Fatalf("%#x: alive %v, ejected %v", word, l.Alive(), ejected)
		}
		if l.Alive() {
			return
		}
		due, _ := l.RetryAt(now)
		if due > now+math.MaxInt32 {
			t.Fatalf("%#x is due in %d ms", word, due-now)
		}
		if due > now {
			if _, ok := l.Claim(due-1, testLease); ok {
				t.Fatalf("%#x is claimed before %d", word, due)
			}
		}
		probe, ok := l.Claim(max(now, due), testLease)
		if !ok || probe.State() != Probing || probe.Readmit() != 0 {
			t.Fatalf("%#x is not claimed at %d", word, due)
		}
	})
}

func TestLivenessIllegalEdges(t *testing.T) {
	ejected, _ := Liveness(0).Fail(0, 1, testRetry)
	for _, test := range []struct {
		do   func()
		want string
	}{
		{func() { Liveness(0).Readmit() }, "shard: liveness cannot go from live to live"},
		{func() { Liveness(0).Reject(0, 1) }, "shard: liveness cannot go from live to ejected by a probe"},
		{func() { ejected.Readmit() }, "shard: liveness cannot go from ejected to live"},
		{func() { ejected.Reject(0, 1) }, "shard: liveness cannot go from ejected to ejected"},
	} {
		func() {
			defer func() {
				if got := recover(); got != test.want {
					t.Errorf("panic %v, want %s", got, test.want)
				}
			}()
			test.do()
		}()
	}
}

// Settings out of range act as the nearest sensible ones.
func TestLivenessSettings(t *testing.T) {
	for _, limit := range []int{math.MinInt, -1, 0, 1} {
		if _, ejected := Liveness(0).Fail(0, limit, testRetry); !ejected {
			t.Errorf("limit %d does not eject at the first failure", limit)
		}
	}
	ejected, _ := Liveness(0).Fail(7, 1, -5)
	if ms, ok := ejected.RetryAt(7); ms != 7 || !ok {
		t.Errorf("negative retry: due at %d, %v", ms, ok)
	}
	ejected, _ = Liveness(0).Fail(7, 1, math.MaxInt64)
	if ms, _ := ejected.RetryAt(7); ms != 7+math.MaxInt32 {
		t.Errorf("greatest retry: due at %d", ms)
	}
	probe, _ := ejected.Claim(7+math.MaxInt32, 0)
	if _, ok := probe.Claim(7+math.MaxInt32, testLease); ok {
		t.Error("a probe without lease is claimed again in the same millisecond")
	}
	if got := State(9).String(); got != "state(9)" {
		t.Errorf("State(9) = %q", got)
	}
}

// Only an ejection can be cut short, and it is not made longer.
func TestLivenessHasten(t *testing.T) {
	ejected, _ := Liveness(0).Fail(0, 1, testRetry)
	if ms, ok := ejected.Hasten(5).RetryAt(5); ms != 5 || !ok {
		t.Errorf("due at %d, %v", ms, ok)
	}
	if ms, _ := ejected.Hasten(3 * testRetry).RetryAt(3 * testRetry); ms != testRetry {
		t.Errorf("what was due is due at %d", ms)
	}
	probing, _ := ejected.Claim(testRetry, testLease)
	for _, word := range []Liveness{0, 1, probing} {
		if word.Hasten(0) != word {
			t.Errorf("%v becomes %v", word, word.Hasten(0))
		}
	}
}

func TestLivenessNoAllocation(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		l, _ := Liveness(0).Fail(0, 1, testRetry)
		l, _ = l.Claim(testRetry, testLease)
		l = l.Reject(testRetry, testRetry)
		l, _ = l.Claim(2*testRetry, testLease)
		l.Readmit()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
