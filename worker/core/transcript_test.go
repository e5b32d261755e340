// Transcripts: workers between clients, servers and a master that all follow a script in testdata. A line that begins
// with "> " happens; the lines below it are everything that anyone got to see of it.

package core

import (
	"os"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T) transcript.Stage {
		s := &stage{rig: newRig(t), speaks: map[*peer]link.Protocol{}}
		return func(line string) (seen string) {
			s.happen(splitWords(t, line))
			s.observe()
			defer s.out.Reset()
			return s.out.String()
		}
	})
}

// stage is a rig that is played on.
type stage struct {
	*rig
	out     strings.Builder
	started bool
	speaks  map[*peer]link.Protocol // of each client
}

// happen carries out one line: who, what, and how.
func (s *stage) happen(words []string) {
	who, args := words[0], words[1:]
	switch who {
	case "pool": // option=value…
		s.addPool(args)
		return
	case "user": // of the last pool: rules
		p := &s.pools[len(s.pools)-1]
		p.Users = append(p.Users, strings.Join(args, " "))
		return
	case "memory": // memory_limit, in bytes
		s.limit = int64(s.number(args[0]))
		return
	case "untried": // that servers do transactions is not known beforehand
		s.untried = true
		return
	case "numbered": // servers tell connections their numbers
		s.numbered = true
		return
	case "zone": // of the process
		s.zone = args[0]
		return
	case "workers": // number
		s.slots = s.number(args[0])
		return
	}
	if server, conn := s.serverNamed(who); server != nil {
		s.server(server, conn, args[0], args[1:])
		return
	}
	if !s.started {
		s.started = true
		s.start()
	}
	switch who {
	case "start":
	case "advance": // duration
		s.advance(s.duration(args[0]))
	case "stop": // the workers, as SIGSTOP does
		s.stopped = true
	case "continue":
		s.stopped = false
		s.turn()
	case "lease": // replica duration: for how long it may be read from
		s.grant(args[0], args[1])
	case "slow": // server, limit: the master ejects it, and a probe may take that long
		s.ejectSlow(args[0], s.duration(args[1]))
	case "nodes": // what the nodes of the cluster have
		s.relocate(args)
	case "drain": // duration, 0 = no limit
		s.tell(link.Message{Kind: link.Drain, Body: link.DrainBody(uint64(s.duration(args[0]).Milliseconds()))})
	case "announce": // a drain: duration until clients are closed, and over which; "revoked"
		body := link.AnnounceBody{Revoked: args[0] == "revoked"}
		if !body.Revoked {
			body.Shed, body.Over = s.duration(args[0]), s.duration(args[1])
		}
		s.tell(link.Message{Kind: link.Announce, Body: link.Body(body)})
	case "verbosity": // number
		s.tell(link.Message{Kind: link.Verbosity, Body: []byte{byte(s.number(args[0]))}})
	case "master": // dies
		for _, m := range s.masters {
			m.hangUp()
		}
		s.turn()
	case "where": // key…
		s.showPlaces(args)
	case "counters": // [pool]
		s.showCounters()
	case "latencies":
		s.showLatencies()
	case "servers":
		s.showLiveness()
	default:
		s.client(who, args[0], args[1:])
	}
}

// client carries out what a client does; it connects when it is first named.
func (s *stage) client(name, verb string, args []string) {
	var c *peer
	for _, known := range s.clients {
		if known.name == name && known.fd >= 0 {
			c = known
		}
	}
	if c == nil {
		pool, slot := 0, 0
		if verb == "connects" {
			pool, slot = s.target(args)
		}
		c = s.connect(name, pool, slot)
		s.speaks[c] = s.pools[pool].Protocol
	}
	switch verb {
	case "connects": // [pool=number] [worker=number]
	case "asks": // [number times] word…
		times := 1
		if len(args) > 2 && args[1] == "times" {
			times, args = s.number(args[0]), args[2:]
		}
		words := make([]string, len(args))
		for i, arg := range args {
			words[i] = string(readWord(s.t, arg))
		}
		for range times {
			c.send(redisRequestOf(words...))
		}
	default:
		s.peer(c, verb, args)
	}
	s.turn()
}

// peer carries out what clients and servers have in common.
func (s *stage) peer(p *peer, verb string, args []string) {
	switch verb {
	case "sends": // word…
		p.send(readWords(s.t, args))
	case "trickles": // word…: byte by byte
		for _, b := range readWords(s.t, args) {
			p.send([]byte{b})
			s.turn()
		}
	case "ends-with": // word…: what it sends and its end arrive together
		_, err := sock.Send(p.fd, readWords(s.t, args))
		s.must(err)
		s.must(p.halfClose())
	case "half-closes":
		s.must(p.halfClose())
	case "hangs-up":
		p.hangUp()
	case "stops-reading":
		p.deaf = true
	case "reads-on":
		p.deaf = false
	default:
		s.t.Fatalf("%s cannot do %q", p.name, verb)
	}
}

// server carries out what a server does, on its latest connection or on that numbered conn.
func (s *stage) server(server *fakeServer, conn int, verb string, args []string) {
	switch verb {
	case "refuses":
		server.refuse()
	case "vanishes": // with its path
		server.refuse()
		s.must(os.Remove(server.path))
	case "listens":
		s.must(server.listen())
	case "will-not-read": // on connections to come
		server.deaf = true
	default:
		if conn == 0 {
			conn = len(server.conns)
		}
		if conn < 1 || conn > len(server.conns) {
			s.t.Fatalf("%s has no connection %d", server.name, conn)
		}
		s.peer(server.conns[conn-1], verb, args)
	}
	if s.started {
		s.turn()
	}
}

// serverNamed finds the server, and the connection, that "s1" or "s1#2" names.
func (s *stage) serverNamed(name string) (server *fakeServer, conn int) {
	name, number, numbered := strings.Cut(name, "#")
	if numbered {
		conn = s.number(number)
	}
	for _, server := range s.servers {
		if server.name == name {
			return server, conn
		}
	}
	return nil, 0
}
