package top

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

var update = flag.Bool("update", false, "write the screens anew")

var epoch = time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)

// sampleAfter is what a proxy of two pools says n seconds after the first look: the second server of alpha is hot and slow, the third
// one is ejected.
func sampleAfter(t *testing.T, n int) *Sample {
	t.Helper()
	s := &Sample{At: epoch.Add(time.Duration(n) * time.Second), Clients: []link.ClientState{}}
	server := func(name, state string) admin.ServerStatus {
		return admin.ServerStatus{Name: name, State: state, Connections: 4}
	}
	s.Status = admin.Status{
		Build: "1.3.0", Phase: "serving", Generation: 4, UptimeSeconds: int64(93600 + n),
		Generations: []admin.GenerationStatus{
			{Number: 4, State: "serving", Workers: []admin.WorkerStatus{
				{Slot: 0, PID: 4720, State: "serving", AgeSeconds: 75, Connections: 3}, {Slot: 1, PID: 4721, State: "serving", AgeSeconds: 75, Connections: 2},
			}},
			{Number: 3, State: "retired", Workers: []admin.WorkerStatus{{Slot: 1, PID: 4402, State: "draining", AgeSeconds: 180000, Connections: 1}}},
		},
		Pools: []admin.PoolStatus{
			{Name: "alpha", Servers: []admin.ServerStatus{server("redis1", "live"), server("redis2", "live"), server("redis3", "ejected")}},
			{Name: "sessions-of-people", Servers: []admin.ServerStatus{server("cache1\x1b[2J", "live")}},
		},
	}
	text := new(strings.Builder)
	counter := func(name, labels string, perSecond float64) {
		fmt.Fprintf(text, "%s{%s} %g\n", name, labels, 1000+perSecond*float64(n))
	}
	gauge := func(name, labels string, v float64) { fmt.Fprintf(text, "%s{%s} %g\n", name, labels, v) }
	histogram := func(labels string, fast, slow float64) {
		fast, slow = fast*float64(n), slow*float64(n)
		const name = "pinion_server_response_seconds"
		fmt.Fprintf(text, "%s_bucket{%s,le=\"0.000128\"} %g\n%s_bucket{%s,le=\"0.000256\"} %g\n", name, labels, 0.0, name, labels, fast)
		fmt.Fprintf(text, "%s_bucket{%s,le=\"0.016384\"} %g\n%s_bucket{%s,le=\"+Inf\"} %g\n", name, labels, fast+slow, name, labels, fast+slow)
		fmt.Fprintf(text, "%s_sum{%s} %g\n%s_count{%s} %g\n", name, labels, fast+slow, name, labels, fast+slow)
	}
	alpha, sessions := `pool="alpha"`, `pool="sessions-of-people"`
	counter("pinion_commands_total", alpha+`,family="string"`, 12000)
	counter("pinion_commands_total", alpha+`,family="sorted set"`, 345)
	counter("pinion_commands_total", sessions+`,family="get"`, 2.5)
	gauge("pinion_commands_total", sessions+`,family="set"`, 0)
	gauge("pinion_client_connections", alpha, 6170)
	gauge("pinion_client_connections", sessions, 3)
	counter("pinion_forward_errors_total", alpha, 7)
	counter("pinion_error_replies_total", alpha+`,error="OOM"`, 0.5)
	fmt.Fprintln(text, "# TYPE pinion_server_response_seconds histogram")
	histogram(alpha+`,server="redis1",role="primary"`, 2000, 0)
	histogram(alpha+`,server="redis2",role="primary"`, 9000, 1000)
	for name, perSecond := range map[string]float64{"redis1": 2345, "redis2": 10000, "redis3": 0} {
		labels := alpha + `,server="` + name + `",role="primary"`
		counter("pinion_server_requests_total", labels, perSecond)
		counter("pinion_server_request_bytes_total", labels, 40*perSecond)
		counter("pinion_server_response_bytes_total", labels, 2000*perSecond)
		counter("pinion_server_errors_total", labels, btof(name == "redis3")*3)
		gauge("pinion_server_in_queue_requests", labels, 1)
		gauge("pinion_server_out_queue_requests", labels, perSecond/100)
	}
	for i, cpu := range []float64{0.93, 0.12} {
		counter("pinion_process_cpu_seconds_total", fmt.Sprintf(`process="%d"`, i), cpu)
		gauge("pinion_process_resident_memory_bytes", fmt.Sprintf(`process="%d"`, i), 31e6)
		gauge("pinion_worker_memory_held_bytes", fmt.Sprintf(`worker="%d"`, i), 123456)
		gauge("pinion_worker_connections", fmt.Sprintf(`worker="%d"`, i), 17)
	}
	for i := range 30 {
		s.Clients = append(s.Clients, link.ClientState{
			ID: uint64(1<<32 + i), Pool: []string{"alpha", "sessions-of-people"}[i%2], Generation: 4, Worker: i % 3 % 2, Address: fmt.Sprintf("192.0.2.%d:4711", i),
			Name: []string{"", "web"}[i%2], State: []string{"idle", "blocked", "active"}[i%3], IdleSeconds: int64(i * i), Queue: i % 3, MemoryBytes: 300 + 1000*i,
			Command: []string{"get", "blpop", "mget"}[i%3],
		})
	}
	var err error
	if s.Metrics, err = ParseMetrics(strings.NewReader(text.String())); err != nil {
		t.Fatal(err)
	}
	return s
}

func btof(b bool) float64 { return float64(btoi(b)) }

// play presses keys, lets looks pass, and resizes, and writes the screens down.
func play(t *testing.T, script string) string {
	m, looks, out := newModel(0, time.Second), 0, new(strings.Builder)
	for step := range strings.FieldsSeq(script) {
		what, arg, _ := strings.Cut(step, "=")
		switch what {
		case "look":
			m.take(sampleAfter(t, looks), nil)
			looks++
		case "fail":
			m.take(nil, errors.New("no Pinion listens at \"ctl.sock\""))
		case "hang":
			m.latest.Unheard = []string{"worker 1 of generation 4: it hangs"}
		case "size":
			fmt.Sscanf(arg, "%dx%d", &m.width, &m.height)
		case "type":
			for _, r := range arg {
				m.key(string(r), string(r))
			}
		default:
			if m.key(what, "") {
				fmt.Fprintf(out, "> %s: the end\n", step)
				continue
			}
		}
		fmt.Fprintf(out, "> %s\n", step)
		screen := strings.NewReplacer(bold, "<b>", reverse, "<r>", red, "<red>", plain, "</>").Replace(m.screen())
		checkSize(t, m, step)
		for line := range strings.SplitSeq(screen, "\n") {
			fmt.Fprintf(out, "%s\n", strings.TrimRight(line, " "))
		}
	}
	return out.String()
}

// checkSize tells of screens that do not fit.
func checkSize(t *testing.T, m *model, step string) {
	t.Helper()
	lines := strings.Split(m.screen(), "\n")
	if len(lines) > m.height {
		t.Errorf("%s: %d lines of %d", step, len(lines), m.height)
	}
	for _, line := range lines {
		if n := len([]rune(strings.NewReplacer(bold, "", reverse, "", red, "", plain, "").Replace(line))); n > m.width {
			t.Errorf("%s: a line has %d places of %d: %q", step, n, m.width, line)
		}
	}
}

func TestScreens(t *testing.T) {
	for name, script := range map[string]string{
		"tables":  "size=80x14 look look 2 3 4 5 size=120x14 tab size=80x14 q",
		"readme":  "size=80x8 look look enter",
		"drill":   "size=80x12 look look enter down enter esc esc 4 enter esc esc",
		"sort":    "size=80x12 look look 2 right right right right r left space look space look",
		"filter":  "size=80x12 look look 5 / type=web backspace type=b down enter end esc / type=nothing esc up pgdown home",
		"trouble": "size=80x12 fail look fail look 5 hang 1 ? x + - - size=40x8 size=20x6 size=200x9",
	} {
		path := filepath.Join("testdata", name+".txt")
		got := play(t, script)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if want, err := os.ReadFile(path); err != nil || got != string(want) {
			t.Errorf("%s: %v; run go test ./cmd/pinion/top -update and read the difference; got\n%s", name, err, got)
		}
	}
}

func TestPrint(t *testing.T) {
	m := newModel(tableNamed("servers"), time.Second)
	m.take(sampleAfter(t, 0), nil)
	m.take(sampleAfter(t, 1), nil)
	var plain, scripts strings.Builder
	if err := m.print(&plain, false); err != nil {
		t.Fatal(err)
	}
	m.look.filter = "redis3"
	if err := m.print(&scripts, true); err != nil {
		t.Fatal(err)
	}
	got := plain.String() + scripts.String()
	const path = "testdata/print.txt"
	if *update {
		os.WriteFile(path, []byte(got), 0o644)
	}
	if want, err := os.ReadFile(path); err != nil || got != string(want) {
		t.Errorf("%v; got\n%s", err, got)
	}
}

// Keys do not have a table made anew; another sample, table or place does.
func TestTableIsMadeOnce(t *testing.T) {
	m := newModel(1, time.Second)
	m.take(sampleAfter(t, 0), nil)
	first := &m.all()[0]
	m.look.filter, m.look.upwards = "redis", !m.look.upwards
	if m.rows(); &m.all()[0] != first {
		t.Error("it is made anew for a key")
	}
	m.take(sampleAfter(t, 1), nil)
	second := &m.all()[0]
	if second == first {
		t.Error("another sample shows the same")
	}
	m.look.of = where{"pool": m.latest.Status.Pools[0].Name}
	if &m.all()[0] == second {
		t.Error("one pool shows the same as all")
	}
}

func TestValues(t *testing.T) {
	for want, got := range map[string]string{
		"0": num(0).format(perSecond), "2.5": num(2.5).format(perSecond), "9999": num(9999).format(number), "10.0k": num(9999.6).format(number),
		"999k": num(999_400).format(number), "1.0M": num(999_600).format(number), "12.3G": num(12.3e9).format(bytes), "-": unknown().format(seconds),
		"64us": num(64e-6).format(seconds), "1.5ms": num(0.0015).format(seconds), "250ms": num(0.25).format(seconds), "3.0s": num(3).format(seconds),
		"59s": num(59).format(age), "1m05": num(65).format(age), "2h03": num(7390).format(age), "3d04": num(3*86400 + 4*3600).format(age),
		"50%": num(0.5).format(share), "a?b": text("a\x1bb").format(words), "??": text("漢\u202e").format(words),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Of a counter that begins anew, as with another service, nothing is known, and it makes no rate of those beside it.
func TestCounterThatBeginsAnew(t *testing.T) {
	s := span{now: sampleAfter(t, 0), before: sampleAfter(t, 5)}
	s.now.At = s.before.At.Add(time.Second)
	if rate := s.rate(commands, where{"pool": "alpha"}); rate != 0 {
		t.Errorf("the rate is %v", rate)
	}
	metrics := func(a, b float64) *Sample {
		parsed, err := ParseMetrics(strings.NewReader(fmt.Sprintf("# TYPE n counter\nn{server=\"a\"} %g\nn{server=\"b\"} %g\n", a, b)))
		if err != nil {
			t.Fatal(err)
		}
		return &Sample{Metrics: parsed}
	}
	s = span{now: metrics(110, 5), before: metrics(10, 1e9)}
	s.now.At = s.now.At.Add(time.Second)
	if rate := s.rate("n", nil); rate != 100 {
		t.Errorf("the rate of two is %v", rate)
	}
}
