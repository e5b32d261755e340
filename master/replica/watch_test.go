// The watch with servers that answer as a script says: what it asks, what it writes, and that it ends.

package replica

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

// fake is a server that answers PING and INFO, once it has heard the password if it has one.
type fake struct {
	path string
	own  *tls.Config // nil: it speaks plaintext

	mutex    sync.Mutex
	password string
	ping     string
	info     string
	server   string // what INFO server answers
}

func startFake(t *testing.T, info string, encrypted ...*tls.Config) *fake {
	t.Helper()
	f := &fake{path: filepath.Join(t.TempDir(), "s"), ping: "+PONG", info: info}
	if len(encrypted) > 0 {
		f.own = encrypted[0]
	}
	l, err := net.Listen("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	if f.own != nil {
		conn = tls.Server(conn, f.own)
	}
	in := bufio.NewScanner(conn)
	said := ""
	for in.Scan() {
		line := in.Text()
		f.mutex.Lock()
		known := f.password == "" || f.password == said
		switch {
		case line == "AUTH": // its length, and the password
			in.Scan()
			in.Scan()
			said = in.Text()
			fmt.Fprint(conn, "+OK\r\n")
		case line == "PING" && known:
			fmt.Fprint(conn, f.ping+"\r\n")
		case line == "INFO replication" && known && strings.HasPrefix(f.ping, "-BUSY"):
			fmt.Fprint(conn, f.ping+"\r\n")
		case line == "INFO replication" && known:
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(f.info), f.info)
		case line == "INFO server":
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(f.server), f.server)
		case line == "PING", line == "INFO replication":
			fmt.Fprint(conn, "-NOAUTH Authentication required.\r\n")
		}
		f.mutex.Unlock()
	}
}

func (f *fake) now(ping, info string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ping, f.info = ping, info
}

func (f *fake) endpoint(role link.Role) link.Endpoint {
	return link.Endpoint{Network: "unix", Address: f.path, Role: role}
}

func primaryAt(offset int) string {
	return fmt.Sprintf("# Replication\r\nrole:master\r\nconnected_slaves:1\r\nmaster_replid:abc\r\nmaster_repl_offset:%d\r\n", offset)
}

func replicaAt(offset int) string {
	return fmt.Sprintf("# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_read_repl_offset:%d\r\n"+
		"slave_repl_offset:%d\r\nmaster_replid:abc\r\nmaster_repl_offset:%d\r\n", offset+7, offset, offset+9)
}

// written is what has been written of one replica.
type written struct {
	member string // pool, server, number
	lease  uint64
	state  link.ReplicaState
}

type board chan written

func (b board) SetReplica(pool, server, replica int, lease uint64, state link.ReplicaState, _ int64) {
	b <- written{fmt.Sprint(pool, server, replica), lease, state}
}

// wait waits until a replica has a state.
func (b board) wait(member string, state link.ReplicaState) written {
	for w := range b {
		if w.member == member && w.state == state {
			return w
		}
	}
	panic("unreachable")
}

func TestWatch(t *testing.T) {
	p, r, other := startFake(t, primaryAt(100)), startFake(t, replicaAt(100)), startFake(t, replicaAt(100))
	p.password, r.password = "secret", "secret"
	pool := &link.Pool{Password: "secret", MaxReplicaLag: 60_000_000_000, Servers: []link.Server{{Name: "a"}, {Name: "b"}}}
	at := func(replicas ...*fake) []link.ServerTopology {
		s := link.ServerTopology{Server: "b", Endpoints: []link.Endpoint{p.endpoint(link.Primary)}}
		for _, f := range replicas {
			s.Endpoints = append(s.Endpoints, f.endpoint(link.Replica))
		}
		return []link.ServerTopology{{Server: "a", Endpoints: []link.Endpoint{}}, s}
	}
	b := make(board, 1<<16)
	w := Watch(pool, 3, at(r), b, noZone(t))
	got := b.wait("3 1 0", link.ReplicaFit)
	if !link.LeaseHolds(got.lease, link.LeaseTag(r.path), 0) {
		t.Errorf("the lease is %#x", got.lease)
	}
	r.now("-LOADING Redis is loading the dataset in memory", replicaAt(100))
	if got := b.wait("3 1 0", link.ReplicaLoading); link.LeaseHolds(got.lease, link.LeaseTag(r.path), 0) {
		t.Errorf("while it loads the lease is %#x", got.lease)
	}
	r.now("+PONG", strings.Replace(replicaAt(100), "status:up", "status:down", 1))
	b.wait("3 1 0", link.ReplicaLinkDown)
	p.now("+PONG", primaryAt(300))
	r.now("+PONG", replicaAt(300))
	b.wait("3 1 0", link.ReplicaFit)

	w.Locate(at(other, r)) // it has another number now
	b.wait("3 1 0", link.ReplicaUnknown)
	b.wait("3 1 1", link.ReplicaFit)
	other.now("+PONG", replicaAt(300))
	b.wait("3 1 0", link.ReplicaFit)
	w.Stop()
	for len(b) > 0 {
		<-b
	}
	w.Locate(at(r)) // says nothing any more
	w.Stop()
	if len(b) > 0 {
		t.Errorf("after the end %v is written", <-b)
	}
}

// By TLS primaries and replicas are asked alike.
func TestWatchTLS(t *testing.T) {
	ca := certtest.New(t, "an authority")
	p := ca.Issue(certtest.Subject{Hosts: []string{"redis.example"}, Server: true})
	pair, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	own := &tls.Config{Certificates: []tls.Certificate{pair}}
	primary, r := startFake(t, primaryAt(100), own), startFake(t, replicaAt(100), own)
	pool := &link.Pool{MaxReplicaLag: 60_000_000_000, Servers: []link.Server{{Name: "b"}}, ServerTLS: &link.ServerTLS{Verify: link.VerifyFull, CA: ca.PEM, Name: "redis.example"}}
	b := make(board, 1<<16)
	w := Watch(pool, 3, []link.ServerTopology{{Server: "b", Endpoints: []link.Endpoint{primary.endpoint(link.Primary), r.endpoint(link.Replica)}}}, b, noZone(t))
	defer w.Stop()
	b.wait("3 0 0", link.ReplicaFit)
}

func TestRefusedAndDead(t *testing.T) {
	p, r := startFake(t, primaryAt(100)), startFake(t, replicaAt(100))
	r.password = "another"
	dead := link.Endpoint{Network: "unix", Address: filepath.Join(t.TempDir(), "nobody"), Role: link.Replica}
	pool := &link.Pool{Password: "secret", Servers: []link.Server{{Name: "a"}}}
	b := make(board, 1<<16)
	news, reports := make(chan string, 10), noZone(t)
	reports.Changed = func(address string, state link.ReplicaState) { news <- address + " " + state.String() }
	w := Watch(pool, 0, []link.ServerTopology{{Server: "a", Endpoints: []link.Endpoint{p.endpoint(link.Primary), r.endpoint(link.Replica), dead}}}, b, reports)
	defer w.Stop()
	for want := map[string]bool{dead.Address + " silent": true, r.path + " refuses": true}; len(want) > 0; {
		delete(want, <-news) // a machine that is late may find the one that refuses silent first
	}
	b.wait("0 0 0", link.ReplicaRefuses)
	b.wait("0 0 1", link.ReplicaSilent)
	r.mutex.Lock()
	r.password = "secret"
	r.mutex.Unlock()
	b.wait("0 0 0", link.ReplicaFit)
	r.now("-BUSY Redis is busy running a script.", "")
	b.wait("0 0 0", link.ReplicaBusy)
}

func noZone(t *testing.T) Reports {
	return Reports{
		InZone:  func(address, zone string) { t.Errorf("%s is said to be in %q", address, zone) },
		Changed: func(string, link.ReplicaState) {},
	}
}

// Where reads go to what is nearest servers are asked where they are: once.
func TestZones(t *testing.T) {
	p, r := startFake(t, primaryAt(100)), startFake(t, replicaAt(100))
	r.server = "# Server\r\nvalkey_version:8.0.1\r\navailability_zone:eu-1b\r\nconfig_file:\r\n"
	p.server = "# Server\r\nredis_version:7.0.15\r\n"
	pool := &link.Pool{ReadFrom: link.ReadFromNearest, Servers: []link.Server{{Name: "a"}}}
	b, zones := make(board, 1<<16), make(chan string, 10)
	w := Watch(pool, 0, []link.ServerTopology{{Server: "a", Endpoints: []link.Endpoint{p.endpoint(link.Primary), r.endpoint(link.Replica)}}}, b,
		Reports{InZone: func(address, zone string) { zones <- address + " " + zone }, Changed: noZone(t).Changed})
	b.wait("0 0 0", link.ReplicaFit)
	b.wait("0 0 0", link.ReplicaFit)
	w.Stop()
	if got := <-zones; got != r.path+" eu-1b" || len(zones) > 0 {
		t.Errorf("zones %q, and %d more", got, len(zones))
	}
}

func TestGroups(t *testing.T) {
	e := func(address string, role link.Role) []link.Endpoint {
		return []link.Endpoint{{Network: "tcp", Address: address, Role: role}}
	}
	cluster := []link.ServerTopology{
		{Server: "1", Endpoints: e("m", link.Primary)},
		{Server: "3", Endpoints: e("r", link.Replica), Of: "1"},
		{Server: "7", Endpoints: e("s", link.Replica), Of: "1"},
		{Server: "8", Endpoints: e("lost", link.Replica)},
		{Server: "9", Endpoints: e("alone", link.Primary)},
	}
	want := map[primary][]member{{"1", "tcp", "m"}: {{2, 0, "tcp", "r"}, {6, 0, "tcp", "s"}}}
	if got := groupsOf(&link.Pool{Seeds: []string{"m"}}, cluster); !reflect.DeepEqual(got, want) {
		t.Errorf("a cluster has %v", got)
	}
	many := link.ServerTopology{Server: "a", Endpoints: e("m", link.Primary)}
	for i := range link.MaxReplicas + 2 {
		many.Endpoints = append(many.Endpoints, e(fmt.Sprint(i), link.Replica)...)
	}
	got := groupsOf(&link.Pool{Servers: []link.Server{{Name: "a"}}}, []link.ServerTopology{many, {Server: "gone", Endpoints: e("x", link.Primary)}})
	if len(got) != 1 || len(got[primary{"a", "tcp", "m"}]) != link.MaxReplicas {
		t.Errorf("a pool has %v", got)
	}
}
