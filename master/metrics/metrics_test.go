package metrics

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// everything is a service in which each metric has a sample: a pool that fails over, one of a cluster, and a plain one.
func everything(t testing.TB) *View {
	follows := link.Pool{Name: "follows", Sentinels: []string{"10.0.0.9:26379"}, Servers: []link.Server{{Name: "a", Network: link.Sentinel, Address: "mymaster", Weight: 1}}}
	cluster := link.Pool{Name: "cluster", Seeds: []string{"10.0.0.1:7000"}, Servers: link.Places()}
	replicas := poolOf("replicas", "10.0.0.4:6379")
	replicas.Protocol, replicas.ReadFrom, replicas.AutoEjectHosts = link.Redis, link.ReadFromReplica, true
	replicas.Servers[0].Replicas = []link.ReplicaAddress{{Network: "tcp", Address: "10.0.0.5:6379"}}
	replicas.ServerTLS, replicas.TLS = &link.ServerTLS{}, &link.ClientTLS{}
	c := counted(t, 2, follows, cluster, poolOf("plain", "10.0.0.3:6379"), replicas)
	c.SetReplica(3, 0, 0, 0, link.ReplicaFit, 250)
	c.InheritCertificate(3, 0, 1_900_000_000, 1)
	v := viewOf(c)
	at := func(address string, role link.Role) []link.Endpoint {
		return []link.Endpoint{{Network: "tcp", Address: address, Role: role}}
	}
	v.Topology.Replace(link.PoolTopology{Pool: "follows", Version: 2, Servers: []link.ServerTopology{
		{Server: "a", Endpoints: at("10.0.0.2:6379", link.Primary), Epoch: 3, MovedAt: 1_800_000_000_000},
	}})
	v.Topology.Replace(link.PoolTopology{Pool: "cluster", Version: 2, Servers: []link.ServerTopology{
		{Server: "1", Endpoints: at("10.0.0.1:7000", link.Primary), Slots: []link.HashRange{{First: 0, Last: 16383}}},
		{Server: "2", Endpoints: at("10.0.0.1:7001", link.Replica)},
		{Server: "3", Endpoints: at("10.0.0.1:7001", link.Replica)}, // a node that has moved there says so first
	}})
	v.Queues = []AcceptQueue{{"plain", 1, sock.AcceptQueue{Waiting: 3, Limit: 128, Dropped: 9}}, {"cluster", EverySlot, sock.AcceptQueue{Limit: 5}}}
	v.Sentinels = [][]Sentinels{{{Asked: 3, Agree: 2}}}
	return v
}

// text is what a scraper gets.
func textOf(t testing.TB, v *View) string {
	t.Helper()
	w := httptest.NewRecorder()
	Answer(w, v)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("got %d, %v, %s", w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

// The linter of the library always looks; Debian's promtool, of the package prometheus, where it is installed.
func TestConventions(t *testing.T) {
	all := textOf(t, everything(t))
	problems, err := promlint.New(strings.NewReader(all)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: only the linter of the library has looked")
		return
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(all)
	if said, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
}

// parsed is a text as the library reads it.
func parsed(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// What is documented is scraped, and the other way round.
func TestTableIsComplete(t *testing.T) {
	rows := Table()
	families := parsed(t, textOf(t, everything(t)))
	for _, f := range families {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == f.GetName() })
		if i < 0 {
			t.Errorf("%s is not in the table", f.GetName())
			continue
		}
		if kind := strings.ToLower(f.GetType().String()); rows[i].Type != kind || rows[i].Help != f.GetHelp() {
			t.Errorf("%s is a %s in the table (%q), and a %s (%q)", f.GetName(), rows[i].Type, rows[i].Help, kind, f.GetHelp())
		}
		for _, m := range f.GetMetric() {
			var names []string
			for _, l := range m.GetLabel() {
				names = append(names, l.GetName())
			}
			if !slices.Equal(names, rows[i].Labels) {
				t.Errorf("%s has labels %v, and %v in the table", f.GetName(), names, rows[i].Labels)
			}
		}
	}
	for i, row := range rows {
		if families[row.Name] == nil {
			t.Errorf("%s is never scraped", row.Name)
		}
		if slices.ContainsFunc(rows[:i], func(r Row) bool { return r.Name == row.Name }) {
			t.Errorf("%s is in the table twice", row.Name)
		}
	}
}

// A server that the last attempts could not use is not live, as in the status, though it is in the ring.
func TestLiveIsAsTheStatusHasIt(t *testing.T) {
	c := counted(t, 2, poolOf("alpha", "a", "b"))
	c.Troubles(1, 0, 1).Note(link.TroubleRefused, 1)
	text := textOf(t, viewOf(c))
	for _, line := range []string{`pinion_server_live{pool="alpha",server="a",role="primary"} 1`, `pinion_server_live{pool="alpha",server="b",role="primary"} 0`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestValues(t *testing.T) {
	alpha, beta := poolOf("alpha", "10.0.0.1:6379", "b"), poolOf("beta", "b")
	alpha.AutoEjectHosts, beta.FailoverWait = true, time.Second
	c := counted(t, 2, alpha, beta)
	*c.Worker(0)[link.TotalConnections], *c.Worker(1)[link.TotalConnections] = 5, 6
	*c.Pool(1, 0)[link.ClientConnections] = 3
	*c.Server(0, 0, 0)[link.Requests], *c.Server(1, 0, 0)[link.Requests] = 40, 2
	*c.Server(1, 0, 0)[link.ServerEjectedAt] = 1_800_000_000_250_000
	*c.Server(1, 1, 0)[link.Held] = 9
	c.Pools[1].Protocol = link.Redis
	*c.Pool(0, 1)[link.FirstCommandFamily+int(link.HashCommands)] = 4
	*c.Pool(1, 0)[link.RefusedCommands] = 2
	*c.Pool(1, 1)[link.FirstErrorWord+link.ErrorWord(link.Redis, []byte("OOM "))] = 6
	*c.Worker(1)[link.MemoryHeld] = 4096
	c.Latency(0, 0, 0)[link.LatencyBucket(int64(63*time.Microsecond))] = 2
	c.Latency(1, 0, 0)[link.LatencyBucket(int64(64*time.Microsecond))] = 1
	c.Latency(1, 0, 0)[link.LatencyBuckets-1] = 1
	all := textOf(t, viewOf(c))
	for _, want := range []string{
		`pinion_build_info{version="1.2.3",goversion="go`,
		`pinion_start_time_seconds 1.8000000005e+09`,
		`pinion_connections_opened_total 11`,
		`pinion_client_connections{pool="alpha"} 3`,
		`pinion_server_requests_total{pool="alpha",server="10.0.0.1:6379",role="primary"} 42`,
		`pinion_server_ejected_timestamp_seconds{pool="alpha",server="10.0.0.1:6379",role="primary"} 1.80000000025e+09`,
		`pinion_server_held_requests{pool="beta",server="b",role="primary"} 9`,
		`pinion_commands_total{pool="alpha",family="get"} 0`,
		`pinion_commands_total{pool="beta",family="hashes"} 4`,
		`pinion_error_replies_total{pool="beta",error="OOM"} 6`,
		`pinion_refused_commands_total{pool="alpha"} 2`,
		`pinion_worker_memory_held_bytes{worker="1"} 4096`,
		`pinion_server_live{pool="beta",server="b",role="primary"} 1`,
		`pinion_server_keys_ratio{pool="beta",server="b",role="primary"} 1`,
		`pinion_server_info{pool="beta",server="b",role="primary",address="b"} 1`,
		`pinion_server_response_seconds_bucket{pool="alpha",server="10.0.0.1:6379",role="primary",le="6.4e-05"} 2`,
		`pinion_server_response_seconds_bucket{pool="alpha",server="10.0.0.1:6379",role="primary",le="0.000128"} 3`,
		`pinion_server_response_seconds_bucket{pool="alpha",server="10.0.0.1:6379",role="primary",le="4.194304"} 3`,
		`pinion_server_response_seconds_bucket{pool="alpha",server="10.0.0.1:6379",role="primary",le="+Inf"} 4`,
		`pinion_server_response_seconds_count{pool="alpha",server="10.0.0.1:6379",role="primary"} 4`,
		`pinion_handoffs_total{kind="reload",outcome="done"} 2`,
		`pinion_handoff_clients_total{fate="moved"} 11`,
		`pinion_worker_client_connections{worker="1"} 3`,
		`pinion_worker_memory_limit_bytes 1073741824`,
		`pinion_process_cpu_seconds_total{process="master"} `,
	} {
		if !strings.Contains(all, "\n"+want) {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(all)
	}
}

// What cannot happen in a pool is not told of it.
func TestOnlyWhatConcernsAPool(t *testing.T) {
	holding, plain := poolOf("holding", "a"), poolOf("plain", "a")
	holding.Protocol, holding.FailoverWait, holding.AutoEjectHosts, holding.ReadFrom = link.Redis, time.Second, true, link.ReadFromReplica
	holding.ServerTLS, holding.TLS = &link.ServerTLS{}, &link.ClientTLS{}
	plain.Protocol = link.Memcache
	all := textOf(t, viewOf(counted(t, 1, holding, plain)))
	only := 0
	for i, info := range link.ServerCounters {
		of := "\n" + nameOf(serverPrefix, info) + `{pool="`
		if !strings.Contains(all, of+`holding"`) {
			t.Errorf("%s of a pool with everything is not told", info.Name)
		}
		if notEverywhere[i].of == nil {
			continue
		}
		if only++; strings.Contains(all, of+`plain"`) {
			t.Errorf("%s of a pool that has no such thing is told", info.Name)
		}
	}
	for i, info := range link.PoolCounters[:link.FirstCommandFamily] {
		of := "\n" + nameOf(prefix, info) + `{pool="`
		if !strings.Contains(all, of+`holding"`) || strings.Contains(all, of+`plain"`) != (notInEachPool[i].of == nil) {
			t.Errorf("%s is told of the wrong pools", info.Name)
		}
	}
	if only == 0 {
		t.Error("everything concerns every pool")
	}
}

func TestReplicasAndQueues(t *testing.T) {
	all := textOf(t, everything(t))
	for _, want := range []string{
		`pinion_replica_fit{pool="replicas",server="10.0.0.4:6379",replica="10.0.0.5:6379"} 1`,
		`pinion_accept_queue_connections{pool="plain",worker="1"} 3`,
		`pinion_accept_queue_drops_total{pool="plain",worker="1"} 9`,
		`pinion_accept_queue_limit_connections{pool="cluster",worker="all"} 5`,
		`pinion_replica_lag_seconds{pool="replicas",server="10.0.0.4:6379",replica="10.0.0.5:6379"} 0.25`,
	} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
}

// Names that would be taken for something else are written so that they are not.
func TestHostileNames(t *testing.T) {
	name := "a\"} 1\npinion_up{x=\"\\"
	all := textOf(t, viewOf(counted(t, 1, poolOf(name, name), poolOf("b", "c"))))
	if problems, err := promlint.New(strings.NewReader(all)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
	if want := `pinion_server_requests_total{pool="a\"} 1\npinion_up{x=\"\\",server="a\"} 1\npinion_up{x=\"\\",role="primary"} 0`; !strings.Contains(all, "\n"+want+"\n") {
		t.Errorf("lacks %s", want)
	}
	for line := range strings.Lines(all) {
		if strings.HasPrefix(line, "pinion_up") {
			t.Errorf("got %q", line)
		}
	}
}

// The bounds of buckets are among those of the workers' own, so that nothing is on the wrong side.
func TestBoundsAreThoseOfWorkers(t *testing.T) {
	for _, us := range latencyBounds {
		bound := time.Duration(us) * time.Microsecond
		if below := link.LatencyBucket(int64(bound) - 1); link.LatencyBound(below) != bound {
			t.Errorf("%s is inside the bucket that ends at %s", bound, link.LatencyBound(below))
		}
	}
}

// A view is released once, and before the client takes the answer.
func TestViewIsReleased(t *testing.T) {
	v := viewOf(counted(t, 1, poolOf("a", "b")))
	released := 0
	v.Release = func() { released++ }
	w := &late{ResponseRecorder: httptest.NewRecorder(), look: func() int { return released }}
	Answer(w, v)
	if released != 1 || w.seen != 1 {
		t.Errorf("released %d times, %d of them before the answer was written", released, w.seen)
	}
}

// late sees what has happened when the answer is written.
type late struct {
	*httptest.ResponseRecorder
	look func() int
	seen int
}

func (l *late) Write(b []byte) (int, error) {
	l.seen = l.look()
	return l.ResponseRecorder.Write(b)
}
