// Transcripts: two workers that follow a script in testdata, over a connection that it controls. A line that begins with
// "> " happens; the lines below it are all that comes of it.

package handoff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestTranscripts(t *testing.T) {
	transcript.Run(t, func(t *testing.T) transcript.Stage {
		var out strings.Builder
		w := newWorld(t, func(format string, args ...any) { fmt.Fprintf(&out, "   "+format+"\n", args...) })
		return func(line string) (seen string) {
			w.happen(strings.Fields(line))
			defer out.Reset()
			return out.String()
		}
	})
}

func (w *world) happen(words []string) {
	switch words[0] {
	case "start": // both greet each other
		w.a.link.Start(w.now)
		w.b.link.Start(w.now)
		w.settle()
	case "pass": // everything, until it is quiet
		w.settle()
	case "wait": // duration
		d, err := time.ParseDuration(words[1])
		if err != nil {
			w.t.Fatal(err)
		}
		w.wait(d)
	case "who": // serves whom
		w.log("a serves %s, b serves %s", list(w.a.serves), list(w.b.serves))
	default:
		w.side(words[0]).happen(words[1], words[2:])
	}
}

// happen is what one side does, or what becomes of the next message that it has sent.
func (s *side) happen(verb string, args []string) {
	w := s.world
	next := func() (m Message, raw []byte) {
		m, raw = s.out.messages[0], s.out.raw[0]
		s.out.messages, s.out.raw = s.out.messages[1:], s.out.raw[1:]
		return m, raw
	}
	switch verb {
	case "has": // client…
		s.serves = append(s.serves, args...)
	case "offers": // number
		n, err := strconv.Atoi(args[0])
		if err != nil {
			w.t.Fatal(err)
		}
		s.offer(n)
	case "judges": // verdict…, of every batch to come
		s.verdicts = nil
		for _, arg := range args {
			s.verdicts = append(s.verdicts, Verdict(slices.Index(verdictNames[:], arg)))
		}
	case "greets":
		s.link.Start(w.now)
	case "refuses":
		s.link.Refuse()
	case "aborts":
		s.link.Abort("roll-back")
	case "retires":
		s.link.Retire("enough")
		s.shutIfDone()
	case "blocks":
		s.blocked = true
	case "unblocks":
		s.unblock()
	case "dies":
		s.die()
	case "says": // kind batch [count | verdict…], whatever its Link would say
		s.say(args)
	case "arrives": // its next message does
		w.deliver(s)
	case "lost":
		next()
	case "doubled":
		m, raw := s.out.messages[0], s.out.raw[0]
		s.out.messages, s.out.raw = slices.Insert(s.out.messages, 0, m), slices.Insert(s.out.raw, 0, raw)
	case "late": // behind the others
		m, raw := next()
		s.out.messages, s.out.raw = append(s.out.messages, m), append(s.out.raw, raw)
	default:
		w.t.Fatalf("%s cannot do %q", s.name, verb)
	}
}

func (s *side) say(args []string) {
	if args[0] == "garbage" {
		s.out.messages, s.out.raw = append(s.out.messages, Message{}), append(s.out.raw, []byte("garbage"))
		return
	}
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			s.world.t.Fatal(err)
		}
		return n
	}
	m := Message{Kind: Kind(slices.Index(kindNames[:], args[0])), Version: 1, Batch: uint32(number(1))}
	switch m.Kind {
	case Hello:
		m.Batch, m.Min, m.Max = 0, uint16(number(1)), uint16(number(2))
	case Offer:
		m.Count = number(2)
	case Prepared:
		for _, arg := range args[2:] {
			m.Verdicts = append(m.Verdicts, Verdict(slices.Index(verdictNames[:], arg)))
		}
	}
	s.write(m)
}

func list(clients []string) string {
	if len(clients) == 0 {
		return "nobody"
	}
	clients = slices.Clone(clients)
	slices.Sort(clients)
	return strings.Join(clients, " ")
}
