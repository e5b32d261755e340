package main

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/process"
)

// Monitoring gets one line and an exit status that it knows.
func TestStatusCheck(t *testing.T) {
	server := func(name, state string) admin.ServerStatus { return admin.ServerStatus{Name: name, State: state} }
	refused := server("b", "down")
	refused.Down = &admin.DownStatus{Since: time.Now(), Why: "connection refused"}
	full := server("a", "live")
	full.Refuses = &admin.RefusesStatus{Why: "its memory is full (OOM)"}
	locked := server("a", "live")
	locked.Refuses = &admin.RefusesStatus{Why: "wants a password", All: true}
	ejected := server("a", "ejected")
	ejected.Ejected = &admin.EjectedStatus{Why: "no answer in time"}
	live := server("a", "live")
	serving := admin.WorkerStatus{State: "serving"}
	for _, test := range []struct {
		phase   string
		worker  admin.WorkerStatus
		pool    admin.PoolStatus
		want    severity
		says    string
		numbers string
	}{
		{"serving", serving, admin.PoolStatus{Clients: 2, Servers: []admin.ServerStatus{live}}, fine, "all is well: 1 server in 1 pool, 2 clients, 0 requests under way", "clients=2 queue=0 servers=1 live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live, refused}}, warning, "p/b is down since ", "servers=2 live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{ejected, refused}}, critical, "pool p: none of its 2 servers can be used; p/a is ejected: no answer in time; and 1 more", "servers=2 live=0"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{full}}, warning, "p/a answers some requests with an error: its memory is full (OOM)", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live}, Clients: 90, Limit: 100}, warning, "pool p: 90 of at most 100 clients", "clients=90 queue=0 servers=1 live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live}, NotListening: []int{1}}, critical, "some workers do not listen", "live=1"},
		{"serving", admin.WorkerStatus{State: "hung"}, admin.PoolStatus{Servers: []admin.ServerStatus{live}}, critical, "no worker serves; worker 0 is hung", "live=1"},
		{"serving", admin.WorkerStatus{State: "serving", MemoryBytes: 95 << 20, MemoryLimit: 100 << 20}, admin.PoolStatus{Servers: []admin.ServerStatus{live}},
			warning, "worker 0 holds 95 MiB of its memory_limit of 100 MiB", "live=1"},
		{"serving", admin.WorkerStatus{State: "serving", Descriptors: 1000, DescriptorLimit: 1024}, admin.PoolStatus{Servers: []admin.ServerStatus{live}},
			warning, "worker 0 has 1,000 of its 1,024 descriptors open", "live=1"},
		{"about to drain", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live}}, warning, "it is about to drain", "live=1"},
		{"draining", admin.WorkerStatus{State: "draining"}, admin.PoolStatus{Servers: []admin.ServerStatus{live}}, critical, "it is draining, and takes no new clients", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{locked}}, critical,
			"pool p: its only server cannot be used; p/a answers all requests with an error: wants a password", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{locked, live}}, warning, "p/a answers all requests with an error: wants a password", "live=2"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live}, MemoryClosed: &admin.MemoryClosedStatus{Clients: 12, LastAt: time.Now()}}, warning,
			"pool p: 12 clients closed for memory_limit, the last one 0 s ago: the log says whom", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{{Name: "a", State: "live", CertificateEnds: time.Now().Add(50 * time.Hour)}}}, warning,
			"p/a has a certificate that ends in 2 d", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{{Name: "a", State: "live", CertificateEnds: time.Now().Add(40 * 24 * time.Hour)}}}, fine, "all is well", "live=1"},
		{"serving", serving, admin.PoolStatus{Servers: []admin.ServerStatus{live}, FailingHandshakes: &admin.FailingHandshakesStatus{Failed: 12, Cause: "client_tls_refused", LastAt: time.Now()}}, warning,
			"pool p: none of the last 12 TLS handshakes with clients has succeeded, the last one 0 s ago: most clients break it off; do they know", "live=1"},
	} {
		test.pool.Name = "p"
		s := &admin.Status{Phase: test.phase, Pools: []admin.PoolStatus{test.pool}, Generations: []admin.GenerationStatus{{State: "serving", Workers: []admin.WorkerStatus{test.worker}}}}
		var out strings.Builder
		err := showCheck(&out, s, nil)
		if !errors.Is(err, exitStatus(test.want)) || !strings.HasPrefix(out.String(), "PINION "+test.want.String()+": ") ||
			!strings.Contains(out.String(), test.says) || !strings.HasSuffix(out.String(), test.numbers+"\n") || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("got %v and %q, want %v, %q and %q", err, out.String(), test.want, test.says, test.numbers)
		}
	}
}

// It is told for an hour that a worker has died, however young its generation is; not any more of one that is to end anyway.
func TestDeadWorker(t *testing.T) {
	ago := func(d time.Duration, times int) *admin.DeathStatus {
		return &admin.DeathStatus{Times: times, At: time.Now().Add(-d), How: "signal: killed"}
	}
	for _, test := range []struct {
		phase  string
		worker admin.WorkerStatus
		want   string
	}{
		{"serving", admin.WorkerStatus{State: "serving", PID: 7}, ""},
		{"serving", admin.WorkerStatus{State: "serving", PID: 7, Died: ago(time.Second, 1)},
			"WARNING worker 3 has died 1 s ago (signal: killed), and has been replaced: the log says why"},
		{"serving", admin.WorkerStatus{State: "serving", PID: 7, Died: ago(time.Minute, 4)},
			"WARNING worker 3 has died 4 times, the last time 1 min 0 s ago (signal: killed), and has been replaced: the log says why"},
		{"serving", admin.WorkerStatus{State: "serving", PID: 7, Died: ago(time.Hour, 1)}, ""},
		{"serving", admin.WorkerStatus{State: "waiting", Died: ago(time.Second, 2)}, "CRITICAL no worker serves; WARNING worker 3 is waiting; " +
			"WARNING worker 3 has died 2 times, the last time 1 s ago (signal: killed), and is to be replaced: the log says why"},
		{"draining", admin.WorkerStatus{State: "draining", PID: 7, Died: ago(time.Second, 1)}, "CRITICAL it is draining, and takes no new clients"},
	} {
		test.worker.Slot = 3
		s := &admin.Status{Phase: test.phase, Generations: []admin.GenerationStatus{{State: "serving", Workers: []admin.WorkerStatus{test.worker}}}}
		var got []string
		for _, f := range findings(s) {
			got = append(got, f.severity.String()+" "+f.text)
		}
		if got := strings.Join(got, "; "); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// Nobody there is the worst that monitoring can hear of; a socket that is not for its user says nothing about the service.
func TestStatusCheckWithoutStatus(t *testing.T) {
	for cause, want := range map[error]severity{syscall.ECONNREFUSED: critical, fs.ErrNotExist: critical, fs.ErrPermission: unknown,
		admin.ErrElsewhere: unknown, &admin.OthersError{UID: 1}: unknown} {
		var out strings.Builder
		if err := showCheck(&out, &admin.Status{}, &noConnection{"ctl.sock", cause}); !errors.Is(err, exitStatus(want)) || !strings.HasPrefix(out.String(), "PINION "+want.String()+": ") {
			t.Errorf("%v: got %v and %q", cause, err, out.String())
		}
	}
	if status, out, err := invoke("status", "--check", "--control", t.TempDir()+"/none"); status != 2 || !strings.HasPrefix(out, "PINION CRITICAL: no Pinion listens at ") || err != "" {
		t.Errorf("got %d, %q, %q", status, out, err)
	}
}

// Who connects to a socket that systemd passes and nobody uses would wait in silence.
func TestIdleSocketFinding(t *testing.T) {
	s := &admin.Status{Phase: "serving", IdleSockets: []admin.IdleSocket{{Address: "127.0.0.1:22121", Unit: "pinion.socket"}}}
	want := "pinion.socket passes 127.0.0.1:22121, at which no pool listens: who connects there waits for ever; have a pool listen there, or take it out of pinion.socket and restart that together with pinion"
	if all := findings(s); len(all) != 1 || all[0] != (finding{warning, want}) {
		t.Errorf("got %+v", all)
	}
}

// Workers without a master take clients, but nobody replaces them: monitoring sees that, and what to do.
func TestStatusCheckOfOrphans(t *testing.T) {
	var out strings.Builder
	err := &notFound{&orphaned{[]process.Info{{PID: 8}, {PID: 7}}, &noConnection{"ctl.sock", fs.ErrNotExist}}}
	showCheck(&out, &admin.Status{}, err)
	if want := "PINION CRITICAL: the workers of a master that was killed serve on (pids 7, 8): start Pinion again as before, and it takes them over\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// Who monitors learns of a certificate a month before its end.
func TestCertificateFinding(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]severity{31 * 24 * time.Hour: fine, 29 * 24 * time.Hour: warning, time.Minute: warning, -time.Minute: critical} {
		s := &admin.Status{Phase: "serving", Certificates: []admin.CertificateStatus{{Pool: "p", Key: "server_tls_cert", File: "/x.crt", Ends: now.Add(left)}}}
		all := findings(s)
		if len(all) == 0 && want != fine || len(all) > 0 && (all[0].severity != want || !strings.Contains(all[0].text, "pool p: server_tls_cert /x.crt ")) {
			t.Errorf("with %v left: %+v, want %v", left, all, want)
		}
	}
	if status, out, err := invoke("status", "--check", "--json"); status != 1 || out != "" || !strings.Contains(err, "give one of them") {
		t.Errorf("got %d, %q, %q", status, out, err)
	}
	s := &admin.Status{Phase: "serving", Certificates: []admin.CertificateStatus{{Pool: config.OfGlobal, Key: "http_tls_cert", File: "/x.crt", Ends: now}}}
	if all := findings(s); len(all) != 1 || !strings.HasPrefix(all[0].text, "global: http_tls_cert /x.crt has ended") {
		t.Errorf("of the HTTP address: %v", all)
	}
}
