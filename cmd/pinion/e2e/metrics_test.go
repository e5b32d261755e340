// Metrics: a scraper that looks all the time while the service is reloaded and upgraded under load.

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// No scrape fails, nor one of the statistics port, whichever way it is asked, and no counter goes back, but those of processes and of their turns, which begin
// with them.
func TestE2EScrapesWhileReplaced(t *testing.T) {
	t.Parallel()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	address, at := rig.FreeAddress(t), rig.FreeAddress(t)
	pool := rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"},
		Servers: rig.Lines(rig.Several(2, func() *rig.Backend { return rig.RedisServer(t) }))}
	statistics := rig.FreeAddress(t)
	_, stats, _ := net.SplitHostPort(statistics)
	p := rig.Start(t, path, "-c", rig.WriteConfig(t, "global:\n  http: "+at+"\n"+rig.Yaml(pool)), "-a", "127.0.0.1", "-s", stats, "--workers", "2")
	said := func(what string) {
		t.Helper()
		rig.Eventually(t, what, func() error {
			if text := p.Output.String(); !strings.Contains(text, what) {
				return errors.New(text)
			}
			return nil
		})
	}
	said("is served on")

	stop, sets := make(chan struct{}), 0
	var all sync.WaitGroup
	all.Go(func() {
		c := rig.Dial(t, "tcp", address, rig.ReadRESP)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				c.WantDo("+OK\r\n", "SET", strconv.Itoa(i%100), "v")
				sets++
			}
		}
	})
	scrapes := 0
	all.Go(func() {
		last := map[string]float64{}
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, err := fetchHTTP("http://" + at + "/metrics")
			if err != nil {
				t.Errorf("scrape %d: %v", scrapes, err)
				return
			}
			scrapes++
			for by, fetch := range map[string]func(string) (string, error){"raw": rig.Fetch, "by HTTP": fetchStatistics} {
				if text, err := fetch(statistics); err != nil || !json.Valid([]byte(text)) {
					t.Errorf("statistics %s: got %q, %v", by, text, err)
				}
			}
			for name, now := range countersIn(text) {
				if now < last[name] {
					t.Errorf("scrape %d: %s went from %g back to %g", scrapes, name, last[name], now)
				}
				last[name] = now
			}
		}
	})
	p.Signal(syscall.SIGHUP)
	said("reload to generation 2")
	p.Signal(syscall.SIGUSR2)
	said("upgrade to generation 3")
	p.Signal(syscall.SIGHUP)
	said("reload to generation 4")
	close(stop)
	all.Wait()
	t.Logf("%d scrapes", scrapes)

	text, err := fetchHTTP("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pinion_generation 4\n", `pinion_handoffs_total{kind="reload",outcome="done"} 2`, `pinion_handoffs_total{kind="upgrade",outcome="done"} 1`,
		fmt.Sprintf("pinion_commands_total{pool=\"pool\",family=\"strings\"} %d\n", sets)} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("lacks %q", want)
		}
	}
	if text, err := fetchHTTP("http://" + at + "/readyz"); err != nil || text != "ready\n" {
		t.Errorf("readyz: got %q, %v", text, err)
	}
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Log(p.Output.String())
	}
}

// fetchStatistics asks the statistics port by HTTP. On a busy machine the request may come after the moment for which the port waits for
// it, and then the raw text is what it should get.
func fetchStatistics(at string) (string, error) {
	const waitsFor = 50 * time.Millisecond
	began := time.Now()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	late := time.Since(began) > waitsFor
	if err != nil && !late {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if late && bytes.HasPrefix(answer, []byte("{")) {
		return string(answer), nil
	}
	if err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return "", fmt.Errorf("%q: %w", answer, err)
	}
	text, err := io.ReadAll(r.Body)
	return string(text), err
}

// fetchHTTP makes a connection of its own for each request, as the master wants it.
func fetchHTTP(url string) (string, error) {
	r, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, text)
	}
	return string(text), err
}

// countersIn returns the counters of a scrape, those of processes left out.
func countersIn(text string) map[string]float64 {
	all := map[string]float64{}
	counters := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, is := strings.CutPrefix(line, "# TYPE "); is {
			name, kind, _ := strings.Cut(name, " ")
			counters[name] = kind != "gauge" && !strings.HasPrefix(name, "pinion_process_") && name != "pinion_worker_turn_seconds"
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		name, _, _ := strings.Cut(line[:i], "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if value, err := strconv.ParseFloat(line[i+1:], 64); err == nil && counters[name] {
			all[line[:i]] = value
		}
	}
	return all
}
