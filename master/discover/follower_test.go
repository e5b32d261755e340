// What a follower makes of what sentinels say, on a stepped clock. The scripts in testdata show it:
//
//	> follow 1,2,3 [A@4 [unnamed]]   the sentinels of the configuration [, and where the master is known to be]. Requests wait for 5 s
//	> 1 says A@4 [id=x] [sees=4/y] [replica=B|none] [down=5s] [changing]   sentinel 1 names address A and epoch 4 [, its id, another sentinel with its id,
//	                          replicas, after what time it calls a master down, changing: it makes a replica the master]
//	> 1 fails refused | 1 unknown | switched | looks A master | wait 3s
//	> doubt | inquired A replica of B   the server at A says that
//	> sought A [B]            B, a replica of A that is gone, has become a master [nobody has]
//	> sentinels               what is told of them
package discover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T) transcript.Stage {
		s := &stage{t: t, now: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)}
		return func(line string) (seen string) {
			s.happen(strings.Fields(line))
			defer s.seen.Reset()
			return s.seen.String()
		}
	})
}

type stage struct {
	t    *testing.T
	f    *follower
	now  time.Time
	seen strings.Builder

	sentinels []Sentinel // as told last
}

func (s *stage) printf(format string, args ...any) { fmt.Fprintf(&s.seen, "   "+format+"\n", args...) }

func (s *stage) happen(words []string) {
	switch {
	case words[0] == "follow":
		s.follow(words[1:])
	case words[0] == "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		for until := s.now.Add(d); s.now.Before(until); {
			s.now = s.now.Add(tickEvery)
			s.f.tick(s.now)
		}
	case words[0] == "switched":
		s.f.switched("m")
	case words[0] == "doubt":
		s.f.doubt("m", s.now)
	case words[0] == "inquired":
		of := place{}
		if len(words) > 3 {
			of = place{address: words[4], key: strings.ToUpper(words[4])}
		}
		s.f.inquired("m", words[1], role(words[2]), of, s.now)
	case words[0] == "sought":
		found := place{}
		if len(words) > 2 {
			found = place{address: words[2], key: strings.ToUpper(words[2])}
		}
		s.f.sought("m", words[1], found, s.now)
	case words[0] == "sentinels":
		s.showSentinels()
	case words[0] == "looks":
		s.f.looked("m", words[1], role(words[2]), true, s.now)
	case words[1] == "fails":
		s.f.hear(answer{from: words[0], failure: errors.New(words[2])}, s.now)
	case words[1] == "unknown":
		s.f.hear(answer{from: words[0], masters: []statement{{master: "m", failure: errors.New("ERR No such master with that name")}}}, s.now)
	case words[1] == "says":
		s.says(words[0], words[2:])
	default:
		s.t.Fatalf("what is %q?", words)
	}
}

func (s *stage) follow(words []string) {
	pool := &link.Pool{Name: "p", Sentinels: strings.Split(words[0], ","), FailoverWait: 5 * time.Second, Servers: []link.Server{{Name: "s", Network: link.Sentinel, Address: "m"}}}
	var known []link.ServerTopology
	if len(words) > 1 {
		at := s.place(words[1])
		known = []link.ServerTopology{{Server: "s", Endpoints: []link.Endpoint{{Network: "tcp", Address: at.address, Role: link.Primary}}, Epoch: at.epoch, Unnamed: len(words) > 2}}
	}
	s.f = newFollower(pool, known, effects{
		watch: func(sentinel string) { s.printf("watch %s", sentinel) },
		leave: func(sentinel string) { s.printf("leave %s", sentinel) },
		ask:   func() { s.printf("ask all") },
		look:  func(_, address string) { s.printf("look at %s", address) },

		inquire: func(_, address string) { s.printf("inquire at %s", address) },
		seek: func(_, from string, replicas []place) {
			slices.SortFunc(replicas, func(a, b place) int { return strings.Compare(a.address, b.address) })
			text := ""
			for _, p := range replicas {
				text += " " + p.address
			}
			s.printf("seek the heir of %s among%s", from, text)
		},
		tell: s.tell,
	}, s.now)
}

func (s *stage) showSentinels() {
	for _, sentinel := range s.sentinels {
		text := "is silent since " + sentinel.SilentSince.Format("05.000") + ": " + sentinel.Failure
		for _, n := range sentinel.Masters {
			text = fmt.Sprintf("names %s, epoch %d", n.Address, n.Epoch)
			if n.Disagrees {
				text += ", and disagrees"
			}
			if n.Failure != "" {
				text = "says " + n.Failure
			}
		}
		if !sentinel.Configured {
			text += "; others have told of it"
		}
		if !sentinel.Counts {
			text += "; does not count"
		}
		s.printf("%s %s", sentinel.Address, text)
	}
}

func (s *stage) tell(n News) {
	if len(n.Sentinels) > 0 {
		s.sentinels = n.Sentinels
	}
	for _, line := range n.Problems {
		s.printf("problem: %s", line)
	}
	for _, line := range n.Notices {
		s.printf("notice: %s", line)
	}
	for _, server := range n.Servers {
		text := fmt.Sprintf("tell: %s is nowhere", server.Server)
		if len(server.Endpoints) > 0 {
			text = fmt.Sprintf("tell: %s is at %s", server.Server, server.Endpoints[0].Address)
		}
		text += fmt.Sprintf(", epoch %d", server.Epoch)
		for _, e := range server.Replicas() {
			text += ", replica " + e.Address
		}
		if server.MovedAt != 0 {
			text += ", moved at " + time.UnixMilli(server.MovedAt).UTC().Format("05.000")
			if server.SaidAt == 0 {
				text += " from " + server.MovedFrom + ", of which no sentinel said so"
			} else if server.SaidAt != server.MovedAt {
				text += " from " + server.MovedFrom + ", of which one said so at " + time.UnixMilli(server.SaidAt).UTC().Format("05.000")
			}
		}
		if server.Unnamed {
			text += ", unnamed"
		}
		if server.Stale {
			text += ", stale"
		}
		s.printf("%s", text)
	}
}

// place reads "A@4". A host in lower case is a name of the address in upper case.
func (s *stage) place(text string) place {
	p := place{}
	if _, err := fmt.Sscanf(strings.Replace(text, "@", " ", 1), "%s %d", &p.address, &p.epoch); err != nil {
		s.t.Fatal(err)
	}
	p.key = strings.ToUpper(p.address)
	return p
}

func (s *stage) says(sentinel string, words []string) {
	a := answer{from: sentinel, masters: []statement{{master: "m", place: s.place(words[0])}}}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "id":
			a.id = value
		case "reached":
			a.reached = value
		case "changing":
			a.masters[0].changing = true
		case "down":
			a.masters[0].downAfter, _ = time.ParseDuration(value)
		case "replica":
			if value == "none" {
				a.masters[0].replicas = []place{}
				break
			}
			a.masters[0].replicas = append(a.masters[0].replicas, place{address: value, key: strings.ToUpper(value)})
		case "sees":
			address, id, _ := strings.Cut(value, "/")
			a.others = append(a.others, peer{address, id})
		}
	}
	s.f.hear(a, s.now)
}
