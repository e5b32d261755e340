// What a judge makes of how long servers take, look by look. The scripts in testdata show it:
//
//	> judge 4 servers factor 5 floor 10ms
//	> look 100*1ms 100*1ms 60*2ms+40*300ms out   replies of each server since the last look; one is out of the ring
//	> 3 looks 100*1ms 100*1ms 100*1ms 5*1ms      the same, again and again
package outlier

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T) transcript.Stage {
		s := &stage{t: t}
		return func(line string) string { return s.happen(strings.Fields(line)) }
	})
}

type stage struct {
	t       *testing.T
	j       Judge
	servers []Server
	looks   int
}

func (s *stage) happen(words []string) (seen string) {
	looks := 1
	switch {
	case words[0] == "judge":
		floor, err := time.ParseDuration(words[6])
		if err != nil {
			s.t.Fatal(err)
		}
		s.j, s.servers = Judge{Factor: s.number(words[4]), Floor: floor}, make([]Server, s.number(words[1]))
		for i := range s.servers {
			s.servers[i].Live = true
		}
		s.j.Look(s.servers)
		return ""
	case words[0] == "look":
	case len(words) > 1 && words[1] == "looks":
		looks, words = s.number(words[0]), words[1:]
	default:
		s.t.Fatalf("what is %q?", words)
	}
	if len(words)-1 != len(s.servers) {
		s.t.Fatalf("%d servers, want %d", len(words)-1, len(s.servers))
	}
	for range looks {
		s.looks++
		for i, word := range words[1:] {
			s.count(&s.servers[i], word)
		}
		v, found := s.j.Look(s.servers)
		if found {
			seen += fmt.Sprintf("   look %d: server %d is to be ejected: it takes %v, the others %v\n", s.looks, v.Server+1, v.Median, v.Others)
		}
	}
	return seen
}

// count adds the replies of "100*1ms+20*50ms".
func (s *stage) count(server *Server, word string) {
	server.Live = word != "out"
	if !server.Live || word == "-" {
		return
	}
	for _, some := range strings.Split(word, "+") {
		n, took, _ := strings.Cut(some, "*")
		d, err := time.ParseDuration(took)
		if err != nil {
			s.t.Fatal(err)
		}
		server.Counts[link.LatencyBucket(int64(d))] += uint64(s.number(n))
	}
}

func (s *stage) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// A judge that is shown another memory, in which less was counted, begins anew instead of seeing what was never there.
func TestOtherMemory(t *testing.T) {
	j := Judge{Factor: 2}
	servers := make([]Server, 3)
	for i := range servers {
		servers[i].Live = true
		servers[i].Counts[100] = 1000
	}
	j.Look(servers)
	for range 10 {
		for i := range servers {
			servers[i].Counts[100] -= 100
		}
		if v, found := j.Look(servers); found {
			t.Fatalf("server %d is to be ejected", v.Server)
		}
	}
}
