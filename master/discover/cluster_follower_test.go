// What a follower makes of what the nodes of a cluster say, on a stepped clock. The scripts in testdata/cluster show it:
//
//	> follow a:1,b:1 [NODE…]   the seeds [, and what is known of nodes]
//	> a:1 is A: NODE…          the node at a:1 has the id A, and names nodes
//	> a:1 fails refused | wait 3s
//
// A NODE is ID@ADDRESS#EPOCH with its slots behind a "=", as FIRST-LAST,…; a replica has "<PRIMARY" in their place. One that has
// failed has a "!" at the end.
package discover

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestClusterTranscripts(t *testing.T) {
	playAll(t, "cluster", func(t *testing.T) transcript.Stage {
		s := &clusterStage{t: t, now: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)}
		return func(line string) string {
			s.happen(strings.Fields(line))
			defer s.seen.Reset()
			return s.seen.String()
		}
	})
}

type clusterStage struct {
	t    *testing.T
	f    *clusterFollower
	now  time.Time
	seen strings.Builder
}

func (s *clusterStage) printf(format string, args ...any) {
	fmt.Fprintf(&s.seen, "   "+format+"\n", args...)
}

func (s *clusterStage) happen(words []string) {
	switch {
	case words[0] == "follow":
		s.follow(words[1], words[2:])
	case words[0] == "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		for until := s.now.Add(d); s.now.Before(until); {
			s.now = s.now.Add(tickEvery)
			s.f.tick(s.now)
		}
	case words[1] == "fails":
		s.f.hear(words[0], nil, errors.New(words[2]), s.now)
	case words[1] == "is":
		s.f.hear(words[0], s.view(strings.TrimSuffix(words[2], ":"), words[3:]), nil, s.now)
	default:
		s.t.Fatalf("what is %q?", words)
	}
}

func (s *clusterStage) view(self string, nodes []string) *view {
	v := &view{self: self, nodes: map[string]*seen{}}
	for _, text := range nodes {
		id, n := s.node(text)
		v.nodes[id] = n
	}
	if v.nodes[self] == nil {
		s.t.Fatalf("%s does not name itself", self)
	}
	return v
}

func (s *clusterStage) node(text string) (id string, n *seen) {
	n = &seen{primary: true}
	text, n.failed = strings.CutSuffix(text, "!")
	if before, of, isReplica := strings.Cut(text, "<"); isReplica {
		text, n.primary, n.of = before, false, of
	}
	text, slots, _ := strings.Cut(text, "=")
	for _, r := range strings.FieldsFunc(slots, func(r rune) bool { return r == ',' }) {
		slots, ok := parseRange(r)
		if !ok {
			s.t.Fatalf("the slots %q", r)
		}
		n.slots = append(n.slots, slots)
	}
	id, where, _ := strings.Cut(text, "@")
	where, epoch, _ := strings.Cut(where, "#")
	n.address = where
	if _, err := fmt.Sscan(epoch, &n.epoch); err != nil {
		s.t.Fatalf("the epoch of %q: %v", text, err)
	}
	return id, n
}

func (s *clusterStage) follow(seeds string, nodes []string) {
	pool := &link.Pool{Name: "p", Seeds: strings.Split(seeds, ","), Servers: link.Places()}
	var known []link.ServerTopology
	for i, text := range nodes {
		id, n := s.node(text)
		at := link.ServerTopology{Server: link.PlaceName(i), Node: id, Epoch: n.epoch, Slots: n.slots, Failed: n.failed}
		role := link.Primary
		if !n.primary {
			role = link.Replica
		}
		at.Endpoints = []link.Endpoint{{Network: "tcp", Address: n.address, Role: role}}
		known = append(known, at)
	}
	s.f = newClusterFollower(pool, known, clusterEffects{
		watch: func(address string) { s.printf("watch %s", address) },
		leave: func(address string) { s.printf("leave %s", address) },
		tell:  s.tell,
	}, s.now)
}

func (s *clusterStage) tell(n News) {
	for _, line := range n.Problems {
		s.printf("problem: %s", line)
	}
	for _, line := range n.Notices {
		s.printf("notice: %s", line)
	}
	for _, at := range n.Servers {
		text := fmt.Sprintf("tell: %s %s at %s #%d", at.Server, at.Node, at.Endpoints[0].Address, at.Epoch)
		if at.Endpoints[0].Role == link.Replica {
			text += " replica of " + at.Of
		}
		text += describeRanges(at.Slots)
		if at.MovedAt != 0 {
			text += ", moved at " + time.UnixMilli(at.MovedAt).UTC().Format("05.000")
		}
		if at.Failed {
			text += ", failed"
		}
		if at.Stale {
			text += ", stale"
		}
		if len(at.Aliases) > 0 {
			text += ", also " + strings.Join(at.Aliases, " ")
		}
		s.printf("%s", text)
	}
}
