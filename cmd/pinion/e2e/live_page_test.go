// The live page without a browser: what it is told, and that its history outlives the master. See page_test.go for one.

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// firstKnown returns when the first step is of which the history knows something, in s since the epoch.
func firstKnown(url string) (int64, error) {
	text, err := fetchHTTP(url + "history?pool=pool")
	if err != nil {
		return 0, err
	}
	var chart struct {
		Step, Last int64
		Values     map[string][]float64
	}
	if err := json.Unmarshal([]byte(text), &chart); err != nil {
		return 0, err
	}
	rates := chart.Values["rate"]
	for i, rate := range rates {
		if rate >= 0 {
			return chart.Last - int64(len(rates)-1-i)*chart.Step, nil
		}
	}
	return 0, fmt.Errorf("the history knows nothing: %s", text)
}

// Who watches is told the state by the new master after an upgrade, and the history is there again.
func TestE2ELivePage(t *testing.T) {
	t.Parallel()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	address, at := rig.FreeAddress(t), rig.FreeAddress(t)
	url := "http://" + at + "/"
	pool := rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "redis_auth: topsecret"},
		Servers: rig.Lines(rig.Several(1, func() *rig.Backend { return rig.RedisServer(t, "--requirepass", "topsecret") }))}
	p := rig.Start(t, path, "-c", rig.WriteConfig(t, "global:\n  http: "+at+"\n"+rig.Yaml(pool)), "-a", "127.0.0.1", "-s", strconv.Itoa(rig.FreePort(t)),
		"--workers", "1", "--control", filepath.Join(rig.ShortDir(t), "ctl.sock"))
	var first int64
	rig.Eventually(t, "the history knows something", func() (err error) {
		first, err = firstKnown(url)
		return err
	})
	events, err := (&http.Client{Timeout: time.Minute}).Get(url + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	p.Signal(syscall.SIGUSR2)
	text, err := io.ReadAll(events.Body) // ends when another master answers
	if err != nil || !strings.Contains(string(text), `"generation":1`) || !strings.Contains(string(text), "event: config") || strings.Contains(string(text), "topsecret") {
		t.Errorf("told %q, %v", text, err)
	}
	rig.Eventually(t, "the new master tells the state", func() error {
		text, err := fetchHTTP(url + "state")
		if err == nil && !strings.Contains(text, `"generation":2`) {
			err = fmt.Errorf("it tells %s", text)
		}
		return err
	})
	rig.Eventually(t, "the history is there again", func() error {
		again, err := firstKnown(url)
		if err == nil && again > first {
			err = fmt.Errorf("it begins %d s later than before", again-first)
		}
		return err
	})
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.Output.String())
	}
}
