// From nutcracker to Pinion on the same ports and back, under load: nobody is refused, and only what was under way on a connection
// that the program that ends has closed goes without a reply.
//
// MOVE_CLIENTS and MOVE_SECONDS make it larger: MOVE_CLIENTS=1000 MOVE_SECONDS=5 go test -v -run E2ETakeOver ./cmd/pinion/e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// mayCopy skips a test where the kernel lets only root copy descriptors of another process.
func mayCopy(t *testing.T) {
	if scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); os.Geteuid() != 0 && strings.Trim(string(scope), "0\n") != "" {
		t.Skip("kernel.yama.ptrace_scope leaves this to root")
	}
}

// movable is a nutcracker on two addresses, a port and a path, whose servers know the key of residents.
type movable struct {
	*rig.Proxy
	config, address, socket string
}

func newMovable(t *testing.T) *movable {
	t.Helper()
	mayCopy(t)
	m := &movable{address: rig.FreeAddress(t), socket: filepath.Join(rig.ShortDir(t), "s")}
	servers := rig.Lines(rig.Several(2, func() *rig.Backend { return rig.RedisServer(t) }))
	m.config = rig.Yaml(rig.Pool{Name: "pool", Listen: m.address, Options: []string{"redis: true"}, Servers: servers},
		rig.Pool{Name: "path", Listen: m.socket, Options: []string{"redis: true"}, Servers: servers})
	m.Proxy = rig.Nutcracker(t, m.config, "tcp", m.address)
	m.Dial().WantDo("+OK\r\n", "SET", "stays", "v")
	return m
}

// wantServed fails the test unless somebody answers on both addresses.
func (m *movable) wantServed(t *testing.T) {
	t.Helper()
	m.Dial().WantDo("$1\r\nv\r\n", "GET", "stays")
	rig.Dial(t, "unix", m.socket, rig.ReadRESP).WantDo("$1\r\nv\r\n", "GET", "stays")
}

// takenOver starts Pinion on the sockets of a running nutcracker.
func takenOver(t *testing.T, old *rig.Proxy, config, control string, flags ...string) *rig.Process {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	_, stats, _ := net.SplitHostPort(old.Stats)
	flags = append([]string{"-c", rig.WriteConfig(t, config), "-a", "127.0.0.1", "-s", stats, "--workers", "2",
		"--control", control, "--take-over", strconv.Itoa(old.Pid())}, flags...)
	return rig.Start(t, path, flags...)
}

func awaitLine(t *testing.T, p *rig.Process, line string) {
	t.Helper()
	rig.Eventually(t, "waiting for "+line, func() error {
		if text := p.Output.String(); !strings.Contains(text, line) {
			return errors.New(text)
		}
		return nil
	})
}

func TestE2ETakeOver(t *testing.T) {
	t.Parallel()
	old := newMovable(t)
	address, config := old.address, old.config
	control := filepath.Join(rig.ShortDir(t), "ctl")
	clients := number("MOVE_CLIENTS", 60)
	crowd := newResidents(address, clients)
	passing := newPassersBy(address)
	var cut, lost int64
	some := func(when string) {
		t.Helper()
		crowd.serve(t, int64(clients)*2)
		passing.want(t, "under way")
		time.Sleep(time.Duration(number("MOVE_SECONDS", 0)) * time.Second)
		t.Logf("%s: %d connections closed, a request under way on %d", when, crowd.cut.Load()-cut, crowd.lost.Load()-lost)
		cut, lost = crowd.cut.Load(), crowd.lost.Load()
	}
	some("nutcracker alone")

	// Both serve. Pinion goes, and nutcracker has never been touched.
	first := takenOver(t, old.Proxy, config, control)
	awaitLine(t, first, "accept from the same sockets")
	awaitLine(t, first, "reload to generation 2")
	some("both")
	wantStatistics(t, old.Stats, "0.5.0")
	second := takenOver(t, old.Proxy, config, control+"2")
	second.Retired = true
	if err := second.Wait(); err == nil || !strings.Contains(second.Output.String(), fmt.Sprintf("pinion (pid %d) serves on its sockets already", first.Pid())) {
		t.Errorf("a second take-over ended with %v\n%s", err, second.Output.String())
	}
	if n := acceptors(t, address); n < 2 {
		t.Errorf("%d of 2 workers have a socket of their own", n)
	}
	first.Signal(syscall.SIGTERM)
	if err := first.Wait(); err != nil {
		t.Fatalf("the first pinion: %v\n%s", err, first.Output.String())
	}
	some("Pinion has gone again")
	if n := acceptors(t, address); n != 1 {
		t.Errorf("%d sockets are left of one", n)
	}

	// Both serve, and nutcracker ends.
	next := takenOver(t, old.Proxy, config, control, "--end")
	old.Retired = true
	awaitLine(t, next, "has ended; all who connect come to pinion")
	old.Wait()
	some("nutcracker has ended")
	wantStatistics(t, old.Stats, `"curr_connections"`)
	old.wantServed(t)
	wantSpread(t, control)

	// Another nutcracker follows, on sockets that it cannot bind.
	back := givenBack(t, old.Proxy, config, control)
	awaitLine(t, back, "serves alone")
	if err := next.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, next.Output.String())
	}
	some("nutcracker follows")
	wantStatistics(t, old.Stats, "0.5.0")
	old.wantServed(t)
	t.Logf("%d clients: %d requests answered, %d connections closed, a request under way on %d, %d refused", clients, crowd.answered.Load(), cut, lost, crowd.refused.Load())
	if crowd.refused.Load() > 0 || cut > int64(3*clients) { // by each that has ended
		t.Errorf("%d were refused (%v), and %d of %d clients cut", crowd.refused.Load(), crowd.why.Load(), cut, clients)
	}
	passing.leave()
	crowd.leave()
	back.Signal(syscall.SIGTERM)
	if err := back.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("nutcracker was ended by SIGTERM, give-back by %v", err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("somebody listens still")
	}
}

// wantSpread fails the test unless all workers have clients.
func wantSpread(t *testing.T, control string) {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, path, "status", "--json", "--control", control)
	var status struct {
		Generations []struct{ Workers []struct{ Connections int } }
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatal(err)
	}
	for i, w := range status.Generations[0].Workers {
		if w.Connections == 0 {
			t.Errorf("worker %d has no clients:\n%s", i, out)
		}
	}
}

// givenBack starts nutcracker on the sockets of the running Pinion, in the foreground.
func givenBack(t *testing.T, old *rig.Proxy, config, control string) *rig.Process {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := rig.ShortDir(t)
	_, stats, _ := net.SplitHostPort(old.Stats)
	return rig.Start(t, path, "give-back", "--control", control, "--", rig.Program(t, "nutcracker"), "-c", rig.WriteConfig(t, config),
		"-o", filepath.Join(dir, "log"), "-p", filepath.Join(dir, "pid"), "-a", "127.0.0.1", "-s", stats, "-i", "50")
}

// acceptors counts the sockets that listen at an address.
func acceptors(t *testing.T, address string) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return strings.Count(string(table), fmt.Sprintf(":%04X 00000000:0000 0A ", n))
}

func wantStatistics(t *testing.T, address, want string) {
	t.Helper()
	rig.Eventually(t, "asking for statistics", func() error {
		text, err := rig.Fetch(address)
		if err == nil && !strings.Contains(text, want) {
			err = fmt.Errorf("no %s in %s", want, text)
		}
		return err
	})
}

// Whatever does not fit is told, and nothing is taken.
func TestE2ETakeOverRefused(t *testing.T) {
	t.Parallel()
	mayCopy(t)
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	address, other := rig.FreeAddress(t), rig.FreeAddress(t)
	pool := func(listen string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: listen, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}})
	}
	old := rig.Nutcracker(t, pool(address), "tcp", address)
	_, stats, _ := net.SplitHostPort(rig.FreeAddress(t))
	for _, c := range []struct {
		config string
		args   []string
		want   string
	}{
		{pool(other), []string{"--take-over", strconv.Itoa(old.Pid())}, `pool "pool" listens on ` + other + ", and there is no such socket among "},
		{pool(address), []string{"--take-over", strconv.Itoa(old.Pid()), "--end"}, "it also listens on " + old.Stats},
		{pool(address), []string{"--take-over", "4194303"}, "it does not run: starting without"},
		{pool(address), []string{"--take-over", "no-such.service"}, `taking over from "no-such.service": `},
		{pool(address), []string{"--end"}, "which is not given"},
		{pool(address), []string{"--take-over", " "}, "requires the pid or the unit"},
		{pool(address), []string{"--take-over", "--end"}, "requires the pid or the unit"}, // as of an empty variable
	} {
		out, err := exec.Command(path, append([]string{"-c", rig.WriteConfig(t, c.config), "-a", "127.0.0.1", "-s", stats}, c.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
	old.Dial().WantDo("+PONG\r\n", "PING")

	// Whoever starts it in the background sees it, too.
	control := filepath.Join(rig.ShortDir(t), "ctl")
	out, err := exec.Command(path, "-d", "-c", rig.WriteConfig(t, pool(other)), "-o", control+".log", "-a", "127.0.0.1", "-s", stats,
		"--control", control, "--take-over", "4194303").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "it does not run: starting without") {
		t.Errorf("%v\n%s", err, out)
	}
	run(t, path, "stop", "--now", "--control", control)
}

// A program that does not serve in the place of Pinion changes nothing.
func TestE2EGiveBackRefused(t *testing.T) {
	t.Parallel()
	mayCopy(t)
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	address, control := rig.FreeAddress(t), filepath.Join(rig.ShortDir(t), "ctl")
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: []string{"127.0.0.1:1:1"}}),
		"tcp", address, "--control", control)
	_, other, _ := net.SplitHostPort(rig.FreeAddress(t))
	const background = `(sleep 0.1; exec "$0" -c "$1" -a 127.0.0.1 -s "$2") &` // what was started has ended before it binds
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "starts a program, which stands behind --"},
		{[]string{"--", "/no/such/program"}, "no such file or directory"},
		{[]string{"--", "/bin/true"}, "/bin/true does not serve: it has ended; the proxy serves on"},
		{[]string{"--", "sh", "-c", background, rig.Program(t, "nutcracker"), p.Cmd.Args[2], other}, "give both the same -a and -s"},
	} {
		out, err := exec.Command(path, append([]string{"give-back", "--control", control}, c.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v\n%s\nwant %s", c.args, err, out, c.want)
		}
	}
	p.Dial().WantDo("+PONG\r\n", "PING")
}

// Later masters leave the statistics to nutcracker, too, and all sockets when they end: the one of an upgrade is told, and one that
// follows a killed one finds it out.
func TestE2ETakeOverOutlivesTheMaster(t *testing.T) {
	t.Parallel()
	old := newMovable(t)
	control := filepath.Join(rig.ShortDir(t), "ctl")
	first := takenOver(t, old.Proxy, old.config, control)
	awaitLine(t, first, "reload to generation 2")
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	run(t, path, "upgrade", "--control", control)
	wantStatisticsOfNutcracker(t, old)
	first.Retired = true
	killMaster(t, path, control)
	first.Wait()

	_, stats, _ := net.SplitHostPort(old.Stats)
	next := rig.Start(t, path, "-c", first.Cmd.Args[2], "-a", "127.0.0.1", "-s", stats, "--workers", "2", "--control", control)
	awaitLine(t, next, "reload to generation")
	wantStatisticsOfNutcracker(t, old)
	next.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, next.Output.String())
	}
	for range 10 {
		old.wantServed(t)
	}
}

// wantStatisticsOfNutcracker fails the test if anybody else answers there.
func wantStatisticsOfNutcracker(t *testing.T, old *movable) {
	t.Helper()
	for range 8 {
		if text, err := rig.Fetch(old.Stats); err != nil || !strings.Contains(text, "0.5.0") {
			t.Fatalf("%v, %s", err, text)
		}
	}
}

// killMaster kills the master that serves.
func killMaster(t *testing.T, path, control string) {
	t.Helper()
	var status struct{ PID int }
	if err := json.Unmarshal([]byte(run(t, path, "status", "--json", "--control", control)), &status); err != nil || status.PID == 0 {
		t.Fatalf("%v, pid %d", err, status.PID)
	}
	syscall.Kill(status.PID, syscall.SIGKILL)
}

// A master that hangs hands nothing over, but its sockets can be taken. It is killed, and its workers drain.
func TestE2ETakeOverFromAHungPinion(t *testing.T) {
	t.Parallel()
	mayCopy(t)
	address := rig.FreeAddress(t)
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"},
		Servers: rig.Lines(rig.Several(1, func() *rig.Backend { return rig.RedisServer(t) }))})
	old := rig.Pinion(t, config, "tcp", address)
	old.Dial().WantDo("+OK\r\n", "SET", "stays", "v")
	crowd := newResidents(address, 20)
	crowd.serve(t, 100)
	workers := old.Workers()
	rig.Suspend(t, old.Pid())
	next := takenOver(t, old, config, filepath.Join(rig.ShortDir(t), "ctl"), "--end")
	old.Retired = true
	awaitLine(t, next, "has ended; all who connect come to pinion")
	old.Wait()
	crowd.serve(t, 100)
	rig.Eventually(t, "draining the old workers", func() error {
		for _, pid := range workers {
			if rig.Exists(pid) {
				return fmt.Errorf("worker %d is there", pid)
			}
		}
		return nil
	})
	crowd.serve(t, 100)
	crowd.leave()
	if refused, cut := crowd.refused.Load(), crowd.cut.Load(); refused > 0 || cut > 2*20 { // by either worker, as one may drain before the other
		t.Errorf("%d were refused (%v), and 20 were cut %d times", refused, crowd.why.Load(), cut)
	}
	next.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, next.Output.String())
	}
}
