// The storm: reloads, upgrades and failures of both, one after the other, while many clients count what they are told.
//
// A plan is a list of what and how often. PINION_STORM has one for TestStorm:
//
//	PINION_STORM="connections=8000 rate=2000 reloads=200 upgrades=200" go test -run TestStorm$ -v -timeout 1h ./cmd/pinion/storm

package storm_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// plan says what happens in a storm, and how much of it.
type plan map[string]int

// defaults of a plan. Actions are not in it: those that are not asked for do not happen.
var defaults = plan{
	"connections": 100,  // of clients that stay
	"rate":        1000, // exchanges per second, of all clients together
	"sessions":    0,    // clients in the middle of something with a server, see sessions
	"slow":        2,    // slow readers, with 12 MiB each
	"tardy":       0,    // clients of a server that takes 30 ms for a reply, so that a handoff takes as long
	"tls_servers": 0,    // 1: all but the tardy one speak TLS
	"newcomers":   4,    // at a time, each coming and going 20 times per second
	"workers":     2,    // at the beginning
	"pause":       50,   // ms between two actions, about
	"seed":        1,    // of the order of actions
}

// parsePlan reads "name=number …".
func parsePlan(text string) (plan, error) {
	p := plan{}
	for name, n := range defaults {
		p[name] = n
	}
	known := func(name string) bool {
		_, parameter := defaults[name]
		return parameter || slices.ContainsFunc(actions, func(a action) bool { return a.name == name })
	}
	for field := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(field, "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || !known(name) {
			return nil, fmt.Errorf("plan of a storm: %q is no known name with a number", field)
		}
		p[name] = n
	}
	return p, nil
}

// tempest is a scene with a crowd, and what was measured.
type tempest struct {
	*scene
	crowd   *crowd
	rand    *rand.Rand
	current release // installed
	size    int     // workers

	took       map[string][]time.Duration // from a command to its end
	left       map[string][]time.Duration // from a command to the end of the old generation
	pauses     []time.Duration            // the longest of each handoff, as the proxy says
	moved      int                        // clients
	stragglers int
}

// newTempest starts a release. A fragile one breaks as the file called orders says.
func newTempest(t *testing.T, servers *stormServers, r release, p plan, environment ...string) *tempest {
	t.Helper()
	environment = append(environment, "PINION_FAULT=@"+orders)
	return &tempest{scene: newScene(t, servers, r, p["workers"], environment...), rand: newRand(p["seed"]), current: r,
		size: p["workers"], took: map[string][]time.Duration{}, left: map[string][]time.Duration{}}
}

// smallStorm is what everybody can run: a minute or less.
const smallStorm = "connections=250 sessions=40 reloads=8 upgrades=8 resizes=4 breaks=3 duds=3 faults=3 tardy=2 tls_servers=1"

// TestStorm is as long and as hard as it is told to be.
func TestStorm(t *testing.T) {
	p, err := parsePlan(cmp.Or(os.Getenv("PINION_STORM"), smallStorm))
	if err != nil {
		t.Fatal(err)
	}
	blow(t, p)
}

// blow runs a plan.
func blow(t *testing.T, p plan) {
	servers := startEncryptedServers(t, p["tls_servers"] > 0)
	servers.sessions = p["sessions"]
	s := newTempest(t, servers, release{version: oldRelease.version, fragile: p["faults"] > 0}, p,
		"NOTIFY_SOCKET="+serviceManager(t))
	fillLarge(t, s.in, "")
	if p["resizes"] > 0 { // the sockets of a slot are kept for the next time that there are so many workers
		s.configure(mostWorkers)
		s.order("reload")
		s.configure(s.size)
	}
	s.settle()
	masters, workers, processes := s.open()

	c := newCrowd(t, s.in, "")
	s.crowd, c.tls = c, servers.tls
	c.pace = time.Second * time.Duration(p["connections"]) / time.Duration(max(1, p["rate"]))
	began := time.Now()
	c.gather(p["connections"])
	c.gatherSessions(p["sessions"])
	for i := range p["slow"] {
		c.admit(&slow, i)
	}
	for i := range p["tardy"] {
		c.admit(&tardy, i)
	}
	c.newcome(p["newcomers"], 50*time.Millisecond)
	t.Logf("%d clients after %v", len(c.talkers), time.Since(began).Round(time.Millisecond))
	c.forgetWaits()
	counters := kernelCounters(t)
	s.run(p)
	changes, spoiled := sinceThen(t, counters, excepted(p)...)
	if ownNetwork() && spoiled > 0 {
		t.Error("the kernel has noticed something")
	}
	c.leave()

	t.Logf("%s\nin the kernel (its own: %t): %s", s.report(), ownNetwork(), changes)
	if failures := c.check(s.servers.values); len(failures) > 0 {
		t.Errorf("clients have noticed: %s", describe(failures))
	}
	s.size = p["workers"]
	s.configure(s.size)
	s.settle()
	s.sameOpen(masters, workers, processes)
	s.stop()
	if bad := s.badEnds(); len(bad) > 0 {
		t.Errorf("ended badly: %s", strings.Join(bad, "\n"))
	}
}

// run does what the plan says, in an order that depends on its seed.
func (s *tempest) run(p plan) {
	var all []action
	for _, a := range actions {
		all = append(all, slices.Repeat([]action{a}, p[a.name])...)
	}
	s.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, a := range all {
		a.do(s)
		s.crowd.turned()
		if failures := s.crowd.broken(); len(failures) > 0 {
			s.t.Errorf("after action %d of %d, one of the %s: %s", i+1, len(all), a.name, describe(failures))
			return
		}
		pause := time.Duration(s.rand.IntN(2*p["pause"]+1)) * time.Millisecond
		<-time.After(pause) // so that actions meet clients in all states; nothing depends on how long it is
	}
}

// settle brings the scene to where two moments can be compared: right after a reload and an upgrade, without a client.
func (s *tempest) settle() {
	s.t.Helper()
	s.reload()
	s.upgrade()
	s.upgrade()
}

// sameOpen compares the open descriptors with those at the beginning.
func (s *tempest) sameOpen(masters, workers, processes int) {
	s.t.Helper()
	rig.Eventually(s.t, "closing descriptors", func() error {
		m, w, p := s.open()
		if p != processes || m > masters+rig.RuntimeFDs || w > workers+rig.RuntimeFDs*s.size {
			return fmt.Errorf("%d descriptors of masters and %d of workers in %d processes, at first %d, %d and %d:\n%s",
				m, w, p, masters, workers, processes, s.openFiles())
		}
		return nil
	})
}

// report tells what was done and what it has cost.
func (s *tempest) report() string {
	var b strings.Builder
	c := s.crowd
	failures := counted(c.broken())
	fmt.Fprintf(&b, "%d requests, %d new connections; %d wrong replies, %d connections cut, %d without a reply, %d refused\n",
		c.requests.Load(), c.newcomers.Load(), failures[wrongReply], failures[wasCut], failures[noReply], failures[noConnection])
	waits, who := c.waits()
	fmt.Fprintln(&b, &c.tally)
	if c.tls != nil {
		fmt.Fprintln(&b, c.tls)
	}
	fmt.Fprintf(&b, "longest wait of each client: %s (%s)\n", quantiles(waits), who)
	slices.Sort(s.pauses)
	fmt.Fprintf(&b, "longest pause of each handoff, by the proxy: %s; %d clients moved, %d stragglers\n",
		quantiles(s.pauses), s.moved, s.stragglers)
	for _, command := range []string{"reload", "upgrade"} {
		slices.Sort(s.took[command])
		slices.Sort(s.left[command])
		fmt.Fprintf(&b, "%d times %s: done after %s; old generation gone after %s\n",
			len(s.took[command]), command, quantiles(s.took[command]), quantiles(s.left[command]))
	}
	fmt.Fprintf(&b, "%d processes came and went", s.ever())
	return b.String()
}
