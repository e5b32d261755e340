// Everything breaks at once around a real proxy: some servers, the names, the disk of the log, descriptors, memory, and
// clients. Whoever keeps to servers that are well hears no error and is not closed, nobody hears what is another's, and
// when it is over, nothing waits and everybody is served.
//
//	PINION_E2E_FAULTS=5m go test -run TestE2EFaults -v -timeout 1h ./cmd/pinion/e2e	for so long

package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
)

const (
	faultyServers = 4 // of each pool: the first two are well
	wellServers   = 2
	faultyFiles   = 120 // descriptors that each process may have
	tide          = 800 // so many steps abusers only come, and then as many they also leave
)

// trial is a proxy in trouble.
type trial struct {
	*rig.Proxy
	t        *testing.T
	in       map[string]string // where each pool listens
	shims    []*shim
	real     []*rig.Backend // behind them
	names    *nameServer
	faults   atomic.Int64
	answered atomic.Int64
	errors   atomic.Int64  // that those heard who keep to servers that are not well
	over     chan struct{} // closed when nothing breaks any more
	stop     chan struct{} // closed when all clients are to leave
	group    sync.WaitGroup
}

func TestE2EFaults(t *testing.T) {
	t.Parallel()
	length := 5 * time.Second
	if text := os.Getenv("PINION_E2E_FAULTS"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("PINION_E2E_FAULTS is %q, want a duration", text)
		}
	}
	f := startTrial(t)
	workers := f.bothWorkers()
	for _, protocol := range []string{"redis", "memcache"} {
		for i := range 4 {
			f.talk(protocol, fmt.Sprint("well", i), 0, 1, 0)
			f.talk(protocol, fmt.Sprint("late", i), 1, wellServers, length*time.Duration(1+i)/6)
			f.talk(protocol, fmt.Sprint("ill", i), wellServers, faultyServers, 0)
		}
	}
	f.group.Go(f.abuse)
	f.breakThings(length)
	close(f.over)
	f.recover()
	close(f.stop)
	f.group.Wait()
	f.nothingIsLeft()
	if now := f.bothWorkers(); fmt.Sprint(now) != fmt.Sprint(workers) {
		t.Errorf("the workers are %v, and were %v", now, workers)
	}
	t.Logf("%d faults, %d replies, %d of them errors", f.faults.Load(), f.answered.Load(), f.errors.Load())
	if f.faults.Load() < 50 || f.errors.Load() == 0 {
		t.Error("too little has broken to prove anything")
	}
}

// bothWorkers returns the pids of the workers.
func (f *trial) bothWorkers() (pids []int) {
	f.t.Helper()
	rig.Eventually(f.t, "finding the workers", func() error {
		pids = slices.DeleteFunc(f.Workers(), func(pid int) bool { // the runtime has children, too, for a moment
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return !strings.Contains(string(text), "\x00worker\x00")
		})
		if len(pids) != 2 {
			return fmt.Errorf("there are %v", pids)
		}
		slices.Sort(pids)
		return nil
	})
	return pids
}

// startTrial starts the proxy with few descriptors, little memory, a full disk and a name server of its own.
func startTrial(t *testing.T) *trial {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	f := &trial{t: t, in: map[string]string{}, over: make(chan struct{}), stop: make(chan struct{})}
	f.names = newNameServer(t, &f.faults)
	var pools []rig.Pool
	for _, protocol := range []string{"redis", "memcache"} {
		p := rig.Pool{Name: protocol, Listen: rig.FreeAddress(t), Options: []string{"hash: murmur", "distribution: ketama", "timeout: 2000",
			"auto_eject_hosts: true", "server_failure_limit: 2", "server_retry_timeout: 100", "server_connections: 4",
			"redis: " + fmt.Sprint(protocol == "redis")}, Servers: nil}
		f.in[protocol] = p.Listen
		for i := range faultyServers {
			p.Servers = append(p.Servers, f.addServer(protocol, i))
		}
		pools = append(pools, p)
	}
	config := rig.WriteConfig(t, "global:\n  memory_limit: 16m\n"+rig.Yaml(pools...))
	dir := rig.ShortDir(t)
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver "+nameServerAt+"\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	stats := rig.FreeAddress(t)
	_, port, _ := net.SplitHostPort(stats)
	f.Proxy = &rig.Proxy{Network: "tcp", Address: f.in["redis"], Stats: stats, PidFile: filepath.Join(dir, "pid"), Read: rig.ReadRESP}
	f.Process = rig.Start(t, rig.Program(t, "unshare"), "--mount", "sh", "-ec", `
		mount --bind "$0/resolv.conf" /etc/resolv.conf
		mount -t tmpfs -o size=16k tmpfs "$0/log"
		head -c 16k /dev/zero >"$0/log/full" || true
		export GODEBUG=netdns=go
		exec "$@"`, dir, rig.Program(t, "prlimit"), fmt.Sprintf("--nofile=%d:%[1]d", faultyFiles),
		path, "-c", config, "-a", "127.0.0.1", "-s", port, "-p", f.PidFile, "-o", filepath.Join(dir, "log", "pinion"), "--workers", "2")
	t.Cleanup(func() { // without the master its workers would serve on
		f.Signal(syscall.SIGINT)
		f.Wait()
	})
	for _, address := range f.in {
		f.Answers("tcp", address)
	}
	return f
}

// addServer starts a server and returns its line. The first ones are reached without a detour.
func (f *trial) addServer(protocol string, i int) string {
	host, port, _ := net.SplitHostPort(rig.FreeAddress(f.t))
	var b *rig.Backend
	if protocol == "redis" {
		b = rig.RedisServerTCP(f.t, net.JoinHostPort(host, port))
	} else {
		b = rig.MemcachedAt(f.t, "tcp", net.JoinHostPort(host, port), "-l", host, "-p", port)
	}
	if i >= wellServers {
		s := newShim(f.t, b, &f.faults)
		f.shims, f.real = append(f.shims, s), append(f.real, b)
		_, port, _ = net.SplitHostPort(s.address)
	}
	return fmt.Sprintf("s%d.faults.test:%s:1 s%d", i, port, i)
}

// keysOn returns keys that live on some of the servers of a pool while all are live.
func keysOn(prefix string, from, to int) (keys []string) {
	var servers []shard.Server
	for i := range faultyServers {
		servers = append(servers, shard.Server{Name: fmt.Sprint("s", i), Weight: 1})
	}
	murmur, _ := hash.ByName("murmur")
	placed := shard.NewMap(shard.Ketama, murmur, shard.HashTag{}, servers)
	for i := 0; len(keys) < 16; i++ {
		key := fmt.Sprintf("%s:%d", prefix, i)
		if s := placed.Server([]byte(key)); from <= s && s < to {
			keys = append(keys, key)
		}
	}
	return keys
}

// breakThings has something break all the time.
func (f *trial) breakThings(length time.Duration) {
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		i := random.IntN(len(f.shims))
		switch random.IntN(40) {
		case 0:
			f.faults.Add(1)
			f.real[i].Signal(syscall.SIGSTOP)
		case 1:
			f.names.mood.Store(random.Int32N(nameMoods))
		case 2, 3:
			f.real[i].Signal(syscall.SIGCONT)
		default:
			f.shims[i].someIllness(random)
		}
	}
}

// recover mends everything and waits until all servers are used again.
func (f *trial) recover() {
	f.names.mood.Store(namesWell)
	for i, s := range f.shims {
		s.mend()
		f.real[i].Signal(syscall.SIGCONT)
	}
	for protocol, address := range f.in {
		for i := wellServers; i < faultyServers; i++ {
			key := keysOn("recovered", i, i+1)[0]
			rig.Eventually(f.t, fmt.Sprintf("asking server s%d of %s", i, protocol), func() error {
				before := f.requests(protocol, i)
				if err := askOnce(protocol, address, key); err != nil {
					return err
				}
				if f.requests(protocol, i) == before {
					return errors.New("another server has answered")
				}
				return nil
			})
		}
		for i := range wellServers {
			for _, name := range []string{"server_ejected_at", "server_timedout", "server_err", "server_eof"} {
				if n := f.of(protocol, i, name); n != 0 {
					f.t.Errorf("%s: server s%d, which is well, has %s %d", protocol, i, name, n)
				}
			}
		}
	}
}

// askOnce connects, asks, and leaves.
func askOnce(protocol, address, key string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(rig.Patience))
	ask, want := "get "+key+"\r\n", "END\r\n"
	if protocol == "redis" {
		ask, want = rig.Request("GET", key), "$-1\r\n"
	}
	if _, err := io.WriteString(conn, ask); err != nil {
		return err
	}
	got, err := readerOf(protocol)(bufio.NewReader(conn))
	if err == nil && got != want {
		err = fmt.Errorf("the reply is %q", got)
	}
	return err
}

func readerOf(protocol string) func(*bufio.Reader) (string, error) {
	if protocol == "redis" {
		return rig.ReadRESP
	}
	return rig.ReadMemcache
}

// of returns a counter of a server.
func (f *trial) of(pool string, server int, name string) int {
	f.t.Helper()
	return int(f.Counters()[pool].(map[string]any)[fmt.Sprint("s", server)].(map[string]any)[name].(float64))
}

func (f *trial) requests(pool string, server int) int { return f.of(pool, server, "requests") }

// nothingIsLeft waits until nobody waits for anything.
func (f *trial) nothingIsLeft() {
	rig.Eventually(f.t, "the end of everything", func() error {
		for name, value := range f.Counters() {
			p, isPool := value.(map[string]any)
			if !isPool {
				continue
			}
			if n := p["client_connections"].(float64); n != 0 {
				return fmt.Errorf("pool %s has %v clients", name, n)
			}
			for i := range faultyServers {
				for _, queue := range []string{"in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes"} {
					if n := f.of(name, i, queue); n != 0 {
						return fmt.Errorf("pool %s, server s%d: %s is %d", name, i, queue, n)
					}
				}
			}
		}
		return nil
	})
}

// abuse takes descriptors and memory, and leaves in every way.
func (f *trial) abuse() {
	random := rand.New(rand.NewPCG(2, 2))
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-f.over:
			return
		case <-time.After(time.Millisecond):
		}
		if comes := n/tide%2 == 0; comes {
			if len(conns) < 3*faultyFiles {
				if c, err := net.Dial("tcp", f.in["redis"]); err == nil {
					conns = append(conns, c)
					f.faults.Add(1)
				}
			}
			continue
		}
		i := random.IntN(len(conns) + 1)
		if i == len(conns) {
			continue
		}
		c := conns[i].(*net.TCPConn)
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		switch random.IntN(4) {
		case 0: // what it would like to have kept
			fmt.Fprintf(c, "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$60000000\r\n")
			c.Write(make([]byte, 1<<20))
		case 1:
			io.WriteString(c, "*1\r\n$nonsense\r\n")
		case 2:
			c.SetLinger(0)
			c.Close()
		default:
			c.Close()
		}
		if random.IntN(2) == 0 {
			c.Close()
			conns[i] = conns[len(conns)-1]
			conns = conns[:len(conns)-1]
		}
		f.faults.Add(1)
	}
}

// talk has a client set and get keys that live on some of the servers, until the end. Where those are well, everything it
// hears must be right; elsewhere it is an error, nothing, or what was once set.
//
// One that begins after a while needs connections to servers that nobody has needed before.
func (f *trial) talk(protocol, name string, from, to int, after time.Duration) {
	k := &trialClient{trial: f, protocol: protocol, name: name, well: to <= wellServers, keys: keysOn(name, from, to),
		random: rand.New(rand.NewPCG(uint64(from), uint64(len(name)))), has: map[string]string{}}
	k.connect() // before descriptors are short
	f.group.Go(func() {
		select {
		case <-time.After(after):
			k.run()
		case <-f.stop:
		}
	})
}
