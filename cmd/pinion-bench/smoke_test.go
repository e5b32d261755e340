// The commands from end to end, with real servers and the real proxy, in very small: everything is there, it is right,
// and nothing stays behind. What it costs is not looked at.

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

// pinion is the proxy, built for these tests.
var pinion string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "server" { // as which overload starts this program
		os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(withPinion(m.Run))
}

// withPinion builds the proxy, makes sure that the servers are there, and runs the tests.
func withPinion(tests func() int) (status int) {
	for _, program := range []string{"redis-server", "memcached"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "%v; install it with: apt-get install %s\n", err, program)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "pinion-bench-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	pinion = filepath.Join(dir, "pinion")
	if out, err := exec.Command("go", "build", "-o", pinion, "../pinion").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building pinion: %v\n%s", err, out)
		return 1
	}
	return tests()
}

// benchOutput runs the program and returns what it wrote.
func benchOutput(t *testing.T, ctx context.Context, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var out, err bytes.Buffer
	status = run(ctx, append([]string{"pinion-bench"}, args...), &out, &err)
	if left, e := os.ReadDir(os.Getenv("TMPDIR")); e != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, e)
	}
	if pids, e := process.Tree(os.Getpid()); e != nil || len(pids) != 1 {
		t.Errorf("still running: %v, %v", pids, e)
	}
	return status, out.String(), err.String()
}

func TestCompareTwoProxies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	for _, load := range [][]string{
		{"-w", "mixed", "-c", "3", "-P", "4"},
		{"-w", "mget", "-c", "2", "-d", "2000"},
		{"-w", "set", "-c", "2", "--protocol", "memcache"},
	} {
		args := append([]string{"compare", "--a", "first=" + pinion, "--b", "second=" + pinion,
			"--b-key", "timeout: 5000", "--servers", "2", "--rounds", "2", "--time", "20ms", "-k", "100",
			"--json", path}, load...)
		status, stdout, stderr := benchOutput(t, t.Context(), args...)
		if status != 0 || !strings.Contains(stdout, "throughput, requests/s") {
			t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got results
		if err := json.Unmarshal(text, &got); err != nil || len(got.Outcomes) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		o := got.Outcomes[0]
		if o.Left != "first" || o.Right != "second" || len(o.Metrics) != 4 {
			t.Fatalf("%s", text)
		}
		for _, m := range o.Metrics {
			if len(m.Left) != 2 || len(m.Right) != 2 || m.Ratio == nil || m.Ratio.Min <= 0 {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestEveryKindOfRow(t *testing.T) {
	a, errA := newContestant("a="+pinion, nil)
	c, errC := newContestant("b="+pinion, nil)
	cpus, err := newPlacement()
	if errA != nil || errC != nil || err != nil {
		t.Fatal(errA, errC, err)
	}
	b := &bench{
		left: a, right: c, rounds: 1, time: 10 * time.Millisecond, servers: 1, cpus: cpus, progress: &bytes.Buffer{},
	}
	weigh := func(ctx context.Context, p *proxy, s load.Spec, before int64) (sample, error) {
		l, err := load.Connect(ctx, s)
		if err != nil {
			return nil, err
		}
		after, err := memoryIn(ctx, 0, p)
		return sample{memory: float64(after)}, errors.Join(err, l.Close())
	}
	small := loadOf(load.Get, 2, keys(20))
	rows := []row{
		growthRow("grow", "growth", small, scene{servers: 1}, scene{servers: 3, pools: 2, keys: 30, allBusy: true}),
		memoryRow("weigh", "memory", small, nil, weigh),
		publishRow("publish", 3),
		multiRow("multi", 2),
		tlsRow("tls", "clients", small, false),
		tlsRow("tls", "servers", loadOf(load.Get, 2, keys(20), pipeline(300), valueBytes(1000)), true),
		frontRow("front", "nothing", front{name: "no-such-program"}, small),
		workersRow("workers", len(cpus.all)),
		workersRow("too many", len(cpus.all)+1),
	}
	outcomes, failed := b.runRows(t.Context(), rows)
	if failed != nil {
		t.Fatal(failed)
	}
	var titles []string
	for _, o := range outcomes {
		titles = append(titles, o.Row+" "+o.Left+" "+o.Right)
	}
	want := []string{"grow small large", "grow small large", "weigh a b", "publish redis-server b", "multi 5 GETs a transaction",
		"tls plaintext TLS", "tls plaintext TLS", "front a b",
		fmt.Sprintf("workers 1 CPU %d CPU", len(cpus.all)), "too many a b"}
	if !slices.Equal(titles, want) {
		t.Errorf("%q, want %q", titles, want)
	}
	if last := outcomes[len(outcomes)-1]; !strings.HasPrefix(last.Error, errNotHere.Error()) {
		t.Errorf("%+v, want that the machine is too small", last)
	}
}

func TestCurve(t *testing.T) {
	a, errA := newContestant("a="+pinion, nil)
	c, errC := newContestant(pinion, nil)
	cpus, err := newPlacement()
	if errA != nil || errC != nil || err != nil {
		t.Fatal(errA, errC, err)
	}
	v := &curve{
		bench:  bench{left: a, right: c, rounds: 2, time: 10 * time.Millisecond, servers: 1, cpus: cpus, progress: &bytes.Buffer{}},
		option: "coalesce_us", values: []string{"0", "1000"},
	}
	outcomes, err := v.run(t.Context(), "small", loadOf(load.Get, 2, keys(20)))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, o := range outcomes {
		values = append(values, o.Right)
		if o.Left != "a" || len(o.Metrics) != 4 || len(o.Metrics[0].Right) != 2 {
			t.Errorf("%+v", o)
		}
	}
	if !slices.Equal(values, v.values) {
		t.Errorf("values %q", values)
	}
	var out bytes.Buffer
	v.print(&out, "small", outcomes)
	if text := out.String(); !strings.HasPrefix(text, "Small, against a:\n\n| coalesce_us | CPU per request") || strings.Count(text, "\n") != 7 {
		t.Errorf("%s", text)
	}
}

func TestCompareEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(300*time.Millisecond, cancel).Stop()
	begin := time.Now()
	status, _, _ := benchOutput(t, ctx, "compare", "--a", pinion, "--b", pinion, "--rows", "get-5,get-1",
		"--time", "1h")
	if status != 1 || time.Since(begin) > time.Minute {
		t.Errorf("status %d after %v", status, time.Since(begin))
	}
}

func TestStageWithoutServersIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if _, err := openStage(t.Context(), topology{protocol: load.Redis, servers: 2, pools: 1}, nil); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without redis-server: %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCompareFailsWithTheProxy(t *testing.T) {
	status, stdout, stderr := benchOutput(t, t.Context(), "compare", "--a", "/bin/false", "--b", "/bin/true", "-c", "2")
	const want = "ended instead of listening"
	if status != 1 || !strings.Contains(stderr, want) || !strings.Contains(stdout, want) {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

func TestRun(t *testing.T) {
	address := miniredis.RunT(t).Addr()
	path := filepath.Join(t.TempDir(), "result.json")
	status, stdout, stderr := benchOutput(t, t.Context(), "run", "--address", address, "--requests", "500", "-c", "3",
		"-w", "mset", "--pid", fmt.Sprint(os.Getpid()), "--json", path)
	if status != 0 || !strings.HasPrefix(stdout, "500 requests in ") || !strings.Contains(stdout, ", 0 errors\n") {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	text, err := os.ReadFile(path)
	var r report
	if err != nil || json.Unmarshal(text, &r) != nil || r.Requests != 500 || r.CPU <= 0 || r.Max < r.P999 {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestRunTLS(t *testing.T) {
	crt, key := filepath.Join(t.TempDir(), "crt"), filepath.Join(t.TempDir(), "key")
	if err := writeCertificate(crt, key); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{pair}}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	run := []string{"run", "--address", server.Addr(), "--requests", "300", "-c", "3", "-P", "20", "-d", "20000", "-w", "mixed"}
	if status, stdout, stderr := benchOutput(t, t.Context(), append(run, "--tls")...); status != 0 || !strings.HasPrefix(stdout, "300 requests in ") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if status, _, _ := benchOutput(t, t.Context(), run...); status != 1 {
		t.Errorf("in plaintext: status %d", status)
	}
}

func TestRunOnNothing(t *testing.T) {
	addresses, err := process.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	status, _, stderr := benchOutput(t, t.Context(), "run", "--address", addresses[0], "--requests", "5")
	if status != 1 || !strings.Contains(stderr, "connection refused") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

func TestOverload(t *testing.T) {
	for _, workload := range []string{"set", "mget"} {
		path := filepath.Join(t.TempDir(), "result.json")
		status, stdout, stderr := benchOutput(t, t.Context(), "overload", "--proxy", "p="+pinion+" --workers 2",
			"--pool-key", "server_connections: 2", "--workload", workload, "--servers", "2", "--capacity", "500",
			"--factors", "2", "--timeouts", "100", "--depths", "2", "--time", "300ms", "--json", path)
		if status != 0 || strings.Count(stdout, "\n") != 3 {
			t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
		}
		text, err := os.ReadFile(path)
		var got []flood
		if err != nil || json.Unmarshal(text, &got) != nil || len(got) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		if r := got[0].Result; got[0].Proxy != "p" || r.Asked <= 0 || r.Done <= 0 || r.Good <= 0 || r.P99 > 100*time.Millisecond {
			t.Errorf("%s", text)
		}
	}
}

func TestCommandLineErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"compare --rows get-51", `there is no row "get-51"; --list shows them`},
		{"compare --rows get-50 -c 4", "a load of your own is a row by itself"},
		{"compare --a /no/such/proxy", "/no/such/proxy"},
		{"compare --a= --b /bin/true", "a contestant needs a command"},
		{"compare --a /bin/true --b /bin/true --rounds 0", "must be above zero"},
		{"overload --capacity 0", "must be above zero"},
		{"overload --factors 0", "must be above zero"},
		{"overload --workload pop", `unknown workload "pop"; there are set and mget`},
		{"overload --proxy /no/such/proxy", "/no/such/proxy"},
		{"run --workload pop", `unknown workload "pop"`},
		{"run --address here", `address "here" is neither`},
	} {
		status, _, stderr := benchOutput(t, t.Context(), strings.Fields(c.args)...)
		if status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: status %d, %s", c.args, status, stderr)
		}
	}
}

// A table that is selected from by name has each name once.
func TestRowsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table() {
		if r.id == "" || seen[r.id] || strings.ContainsAny(r.id, ", ") {
			t.Errorf("row %q", r.id)
		}
		seen[r.id] = true
	}
}
