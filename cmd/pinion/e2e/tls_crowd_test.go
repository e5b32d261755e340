// Many clients who shake hands at once, and one who only wants his answers meanwhile.

package e2e_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// threadsOf returns what the kernel tells of the threads of a process (proc_pid_stat(5), behind the name), and what CPU each has used.
func threadsOf(t *testing.T, pid int) (stats [][]string, used []time.Duration) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, thread := range threads {
		text, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		stat, statErr := os.ReadFile(filepath.Join(thread, "stat"))
		if err != nil || statErr != nil { // it may have ended
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		nanoseconds, _, _ := strings.Cut(string(text), " ")
		stats, used = append(stats, strings.Fields(rest)), append(used, time.Duration(rig.Atoi(nanoseconds)))
	}
	return stats, used
}

const (
	niceOfStat = 16
	signerNice = "10"
)

// cpuOf returns what the threads of a worker have used that its clients wait for: all but the one that signs.
func cpuOf(t *testing.T, pid int) (total time.Duration) {
	t.Helper()
	stats, used := threadsOf(t, pid)
	for i, stat := range stats {
		if stat[niceOfStat] != signerNice {
			total += used[i]
		}
	}
	return total
}

// wantSigner checks that a worker has a thread that signs, and that is less important than the others.
func wantSigner(t *testing.T, pid, want int) {
	t.Helper()
	stats, _ := threadsOf(t, pid)
	if rig.Atoi(stats[0][niceOfStat]) >= rig.Atoi(signerNice) {
		return // as this test was started
	}
	got := 0
	for _, stat := range stats {
		if stat[niceOfStat] == signerNice {
			got++
		}
	}
	if got != want {
		t.Errorf("%d threads of the worker sign, want %d", got, want)
	}
}

// crowdVariable has this program be the clients: how many, the address, and the file of the authority. In one process with them,
// or with as much of the machine for them, the bystander would wait for them instead of for the worker.
const crowdVariable = "PINION_CROWD"

// TestE2EHandshakesAtOnce has 100 clients come, or PINION_HANDSHAKES: all of them get in, and the bystander has his answers. For how much
// of the worker's CPU he waits is told, and not judged, since his own wait for a CPU is in it.
func TestE2EHandshakesAtOnce(t *testing.T) {
	if text := os.Getenv(crowdVariable); text != "" {
		beCrowd(t, strings.Fields(text))
		return
	}
	n := cmp.Or(os.Getenv("PINION_HANDSHAKES"), "100")
	for _, key := range []struct {
		name string
		bits int
	}{{"RSA-2048", 2048}, {"ECDSA", 0}} {
		t.Run(key.name, func(t *testing.T) { handshakesAtOnce(t, n, key.bits) })
	}
}

func handshakesAtOnce(t *testing.T, n string, bits int) {
	ca, dir := certtest.New(t, "ours"), rig.ShortDir(t)
	crt, key := ca.Issue(certtest.Subject{Hosts: []string{"127.0.0.1"}, Server: true, RSA: bits}).Write(t, dir, "server")
	plain, encrypted := rig.FreeAddress(t), rig.FreeAddress(t)
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: "[" + plain + ", " + encrypted + " tls]",
		Options: []string{"redis: true", "tls_cert: " + crt, "tls_key: " + key}, Servers: []string{rig.FreeAddress(t) + ":1"}}), "tcp", plain, "--workers", "1")
	worker := p.Workers()[0]
	bystander := rig.Dial(t, "tcp", plain, rig.ReadRESP)
	bystander.WantDo("+PONG\r\n", "PING")
	wantSigner(t, worker, min(bits, 1))

	began := cpuOf(t, worker)
	crowd := exec.Command(rig.Program(t, "nice"), "-n", "15", os.Args[0], "-test.run", "^TestE2EHandshakesAtOnce$")
	crowd.Env = append(os.Environ(), fmt.Sprint(crowdVariable, "=", n, " ", encrypted, " ", certtest.Write(t, filepath.Join(dir, "ca.crt"), ca.PEM)))
	over := make(chan error, 1)
	go func() {
		out, err := crowd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		over <- err
	}()
	longest, answers := time.Duration(0), 0
	for waiting := true; waiting; answers++ {
		select {
		case err := <-over:
			if waiting = false; err != nil {
				t.Errorf("not all of %s got in: %v", n, err)
			}
		default:
		}
		before := cpuOf(t, worker)
		bystander.WantDo("+PONG\r\n", "PING")
		longest = max(longest, cpuOf(t, worker)-before)
	}
	t.Logf("%s clients, %v of CPU; a bystander had %d answers and waited for %v of CPU at most", n, cpuOf(t, worker)-began, answers, longest)
}

// beCrowd has all clients come at once, of whom none gives up.
func beCrowd(t *testing.T, args []string) {
	authority, err := os.ReadFile(args[2])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	var group sync.WaitGroup
	for range rig.Atoi(args[0]) {
		group.Go(func() {
			if err := shakeAndAsk(args[1], &tls.Config{RootCAs: roots}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// shakeAndAsk is a client who does not give up.
func shakeAndAsk(address string, config *tls.Config) error {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write([]byte(rig.Request("PING"))); err != nil {
		return err
	}
	if got, err := rig.ReadRESP(bufio.NewReader(conn)); err != nil || got != "+PONG\r\n" {
		return fmt.Errorf("PING: %q, %w", got, err)
	}
	return nil
}
