//go:build page

// The live page in a real browser. `make page` runs it: it needs Debian's package chromium, which is not small, and takes a minute.

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// pageService is a service with a page.
type pageService struct {
	*rig.Process
	t       *testing.T
	url     string
	control string
}

// startPage starts a service of these pools.
func startPage(t *testing.T, pools string) *pageService {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	at := rig.FreeAddress(t)
	s := &pageService{t: t, url: "http://" + at + "/", control: filepath.Join(rig.ShortDir(t), "ctl.sock")}
	statistics := strconv.Itoa(rig.FreePort(t))
	s.Process = rig.Start(t, path, "-c", rig.WriteConfig(t, "global:\n  http: "+at+"\n"+pools), "-a", "127.0.0.1", "-s", statistics, "--workers", "2", "--control", s.control)
	t.Cleanup(func() { // workers outlive a master that is killed
		if !s.Ended() {
			s.Signal(syscall.SIGTERM)
			s.Wait()
		}
	})
	s.said("is served on")
	return s
}

// said waits until the service has said something.
func (s *pageService) said(what string) {
	s.t.Helper()
	rig.Eventually(s.t, what, func() error {
		if text := s.Output.String(); !strings.Contains(text, what) {
			return fmt.Errorf("it has not: %s", text)
		}
		return nil
	})
}

// traffic sends requests to an address until the test ends, or end is called.
func traffic(t *testing.T, address string) (end func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for n := range 8 {
		c := rig.Dial(t, "tcp", address, rig.ReadRESP)
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond * time.Duration(2+n)):
					c.Do("SET", strconv.Itoa(i*i%5000), strings.Repeat("v", 100))
				}
			}
		})
	}
	end = sync.OnceFunc(func() {
		close(stop)
		all.Wait()
	})
	t.Cleanup(end)
	return end
}

const (
	pageDrawn = "document.body?.dataset.drawn"
	pageRuns  = "parseFloat(document.querySelector('.tile .value').textContent) > 0"
)

// With data, on screens of all sizes, light and dark; and by the keyboard alone.
func TestPageWithData(t *testing.T) {
	address := rig.FreeAddress(t)
	pool := rig.Pool{Name: "alpha", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines(rig.Several(3, func() *rig.Backend { return rig.RedisServer(t) }))}
	s := startPage(t, rig.Yaml(pool))
	traffic(t, address)
	b := newBrowser(t)
	b.screen(1440, 1400, false)
	b.open(s.url)
	b.until(pageDrawn, "yes")
	b.until(pageRuns, "true")
	t.Logf("first paint after %s ms", b.eval("Math.round(performance.getEntriesByType('paint').find(p => p.name === 'first-contentful-paint').startTime)"))
	b.until("document.querySelectorAll('tbody .state[data-tone=good]').length >= 3", "true")
	b.until("document.querySelectorAll('#rate path.a').length > 0 && document.querySelector('#rate path.a').getAttribute('d').includes('L')", "true")
	b.shoot("data-wide")
	before := b.eval("JSON.stringify([...document.querySelectorAll('main > *')].slice(0, 4).map(e => e.getBoundingClientRect().top))")
	b.until("known.chart.values.rate.filter(v => v > 0).length > 4", "true")
	if after := b.eval("JSON.stringify([...document.querySelectorAll('main > *')].slice(0, 4).map(e => e.getBoundingClientRect().top))"); after != before {
		t.Errorf("the layout has jumped from %s to %s", before, after)
	}
	b.eval("document.querySelector('#rate').focus()")
	b.do("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}, nil)
	b.until("!$('tip').hidden && $('tip').textContent.includes('requests/s')", "true")
	b.eval("$('day').focus(), $('day').click()")
	b.until("known.chart && known.chart.step", "300")
	b.until("document.querySelector('#day').getAttribute('aria-pressed')", "true")
	for _, dark := range []bool{true, false} {
		name := map[bool]string{true: "dark", false: "light"}[dark]
		b.screen(1440, 1400, dark)
		b.open("about:blank")
		b.open(s.url + "#pool=alpha")
		b.until(pageDrawn, "yes")
		b.shoot("data-pool-" + name)
		b.screen(390, 844, dark)
		b.until("document.documentElement.scrollWidth <= 390", "true") // nothing sticks out of a phone
		b.shoot("data-phone-" + name)
	}
	b.quiet()
}

// Before anything was asked for the page says so.
func TestPageEmpty(t *testing.T) {
	pool := rig.Pool{Name: "alpha", Listen: rig.FreeAddress(t), Options: []string{"redis: true"}, Servers: rig.Lines(rig.Several(1, func() *rig.Backend { return rig.RedisServer(t) }))}
	s := startPage(t, rig.Yaml(pool))
	b := newBrowser(t)
	b.screen(1440, 1000, false)
	b.open(s.url)
	b.until(pageDrawn, "yes")
	b.until("$('handoffs').textContent.includes('No reload and no upgrade yet')", "true")
	b.shoot("empty")
	b.quiet()
}

// Of many pools and servers the page is told some; of the pool that is chosen, all.
func TestPageWithManyServers(t *testing.T) {
	var pools []rig.Pool
	for i := range 9 {
		var servers []string
		for range 20 {
			servers = append(servers, rig.FreeAddress(t)+":1")
		}
		pools = append(pools, rig.Pool{Name: fmt.Sprintf("pool%d", i), Listen: rig.FreeAddress(t), Options: []string{"redis: true"}, Servers: servers})
	}
	s := startPage(t, rig.Yaml(pools...))
	b := newBrowser(t)
	b.screen(1440, 1400, false)
	b.open(s.url)
	b.until(pageDrawn, "yes")
	b.until("$('trouble').textContent", "● all 180 servers live")
	b.until("document.querySelectorAll('.pool').length + ' ' + document.querySelectorAll('.pool tbody tr').length", "9 0")
	b.until("document.querySelector('.pool p.note').textContent", "20 more servers: choose the pool to see all")
	b.shoot("many")
	b.eval("$('pool').value = 'pool3', $('pool').dispatchEvent(new Event('change'))")
	b.until("document.querySelectorAll('.pool').length + ' ' + document.querySelectorAll('.pool tbody tr').length", "1 20")
	b.until("$('link').textContent", "● live")
	b.quiet()
}

// A server that is dead is told in words, too, and why.
func TestPageWithDeadServer(t *testing.T) {
	address, dead := rig.FreeAddress(t), rig.FreeAddress(t)
	pool := rig.Pool{Name: "alpha", Listen: address,
		Options: []string{"redis: true", "auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 60000", "timeout: 1000"},
		Servers: append(rig.Lines(rig.Several(2, func() *rig.Backend { return rig.RedisServer(t) })), dead+":1")}
	s := startPage(t, rig.Yaml(pool))
	traffic(t, address)
	b := newBrowser(t)
	b.screen(1440, 1000, false)
	b.open(s.url)
	b.until("document.querySelector('tbody .state[data-tone=bad]')?.textContent", "ejected")
	b.until("document.querySelector('.why')?.textContent.startsWith('connection refused')", "true")
	b.until("$('trouble').textContent", "✕ 1 of 3 servers not live")
	b.shoot("dead")
	b.screen(390, 844, false)
	b.shoot("dead-phone")
	b.quiet()
}

// The page that is open goes on over a reload and an upgrade, shows both, and its curve has no gap.
func TestPageDuringUpgrade(t *testing.T) {
	address := rig.FreeAddress(t)
	pool := rig.Pool{Name: "alpha", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines(rig.Several(2, func() *rig.Backend { return rig.RedisServer(t) }))}
	s := startPage(t, rig.Yaml(pool))
	traffic(t, address)
	b := newBrowser(t)
	b.screen(1440, 1400, false)
	b.open(s.url)
	b.until(pageDrawn, "yes")
	b.eval("window.kept = 'yes'")
	b.until("known.chart && known.chart.values.rate.filter(v => v > 0).length > 3", "true")
	s.Signal(syscall.SIGHUP)
	b.until("known.state.generation", "2")
	s.Signal(syscall.SIGUSR2)
	b.until("known.state.generation", "3")
	b.until("$('handoffs').textContent.includes('upgrade to generation 3')", "true")
	b.until("$('handoffs').textContent.includes('reload to generation 2')", "true")
	b.until("$('link').textContent", "● live")
	at := b.eval("known.state.now")
	b.until("known.state.now > "+at+" + 7000", "true")
	b.eval("fetchHistory()")
	gaps := "(() => { const r = known.chart.values.rate, first = r.findIndex(v => v >= 0); return r.slice(first, -2).filter(v => v < 0).length; })()"
	b.until(gaps, "0")
	b.shoot("upgrade")
	if kept := b.eval("window.kept"); kept != "yes" {
		t.Error("the page was loaded again")
	}
	b.quiet()
}

// Names and keys that would run if they were HTML are text, and fifty servers have room.
func TestPageWithHostileNames(t *testing.T) {
	hostile := "<img src=x onerror=window.hit=1>"
	address := rig.FreeAddress(t)
	var servers []string
	redis := rig.RedisServerTCP(t, rig.FreeAddress(t))
	for i := range 50 {
		servers = append(servers, fmt.Sprintf("%q", fmt.Sprintf("%s:1 %s%02d", redis.Address, "<b>shard</b>", i)))
	}
	pool := rig.Pool{Name: fmt.Sprintf("%q", hostile), Listen: address, Options: []string{"redis: true", "slowlog_us: 1"}, Servers: servers}
	s := startPage(t, rig.Yaml(pool))
	traffic(t, address)
	c := rig.Dial(t, "tcp", address, rig.ReadRESP)
	for range 50 {
		c.Do("SET", hostile, hostile)
	}
	c.Do(hostile, hostile)
	b := newBrowser(t)
	b.screen(1440, 2600, false)
	b.open(s.url)
	b.until(pageDrawn, "yes")
	b.until("document.querySelector('h3').textContent", hostile)
	b.until("document.querySelectorAll('.servers tbody tr').length", "50")
	b.until("$('slow').textContent.includes('SET') || $('slow').textContent.includes('set')", "true")
	b.until("$('log').textContent.length > 0", "true")
	b.shoot("fifty")
	b.screen(390, 844, true)
	b.until("document.documentElement.scrollWidth <= 390", "true")
	if hit := b.eval("window.hit"); hit != "undefined" {
		t.Error("a name has run")
	}
	if n := b.eval("document.querySelectorAll('main img, main b:not(.events b)').length"); n != "0" {
		t.Errorf("%s names have become elements", n)
	}
	b.quiet()
}

// The history is there again after the master was killed, and another one has taken over its workers.
func TestPageHistoryAfterCrash(t *testing.T) {
	address := rig.FreeAddress(t)
	pool := rig.Pool{Name: "alpha", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines(rig.Several(1, func() *rig.Backend { return rig.RedisServer(t) }))}
	s := startPage(t, rig.Yaml(pool))
	end := traffic(t, address)
	rig.EventuallyWithin(t, time.Minute, "the history is in its file", func() error {
		_, err := os.Stat(s.control + ".history")
		return err
	})
	s.Kill()
	s.Wait()
	next := rig.Start(t, s.Cmd.Path, s.Cmd.Args[1:]...)
	rig.EventuallyWithin(t, time.Minute, "the next master has the history", func() error {
		text, err := fetchHTTP(s.url + "history?pool=alpha")
		if err != nil {
			return err
		}
		var chart struct{ Values map[string][]float64 }
		if err := json.Unmarshal([]byte(text), &chart); err != nil {
			return err
		}
		known := 0
		for _, rate := range chart.Values["rate"] {
			if rate > 0 {
				known++
			}
		}
		if known < 12 { // of the 15 steps until the file was first written
			return fmt.Errorf("%d steps are known, and it says %s", known, next.Output.String())
		}
		return nil
	})
	end()
	next.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
}
