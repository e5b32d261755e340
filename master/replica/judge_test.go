// What a judge makes of what a primary and its replicas say, on a stepped clock. The scripts in testdata show it; times are in ms:
//
//	> judge 500                      of data that may be 500 ms old [0: of any age]
//	> at 100 primary A 10            asked then, the primary says that its history A is at offset 10
//	> at 100 primary replica         it says that it is a replica
//	> at 101 replica A 10            a replica of that history says that it is at offset 10; its answer comes at once
//	> at 101 replica A 10 until 400  its answer comes then
//	> at 101 replica down|loading|syncing|silent|refuses|busy|primary
//	> each 100 from 0 to 2000 primary A +5   the same, again and again, with 5 more each time
package replica

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

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
	t *testing.T
	j judge
}

func (s *stage) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *stage) happen(words []string) string {
	switch words[0] {
	case "judge":
		s.j = judge{limit: s.number(words[1])}
	case "at":
		return s.hear(s.number(words[1]), words[2], words[3:])
	case "each":
		offset := int64(0)
		if last := len(s.j.points) - 1; last >= 0 {
			offset = s.j.points[last].offset
		}
		for at := s.number(words[3]); at <= s.number(words[5]); at += s.number(words[1]) {
			offset += s.number(words[8])
			s.hear(at, words[6], []string{words[7], strconv.FormatInt(offset, 10)})
		}
		return fmt.Sprintf("   it is at %d\n", offset)
	default:
		s.t.Fatalf("what is %q?", words)
	}
	return ""
}

func (s *stage) hear(at int64, who string, words []string) string {
	answer, now := says{primary: who == "primary", linkUp: true}, at
	switch words[0] {
	case "down":
		answer.linkUp = false
	case "loading":
		answer.loading = true
	case "syncing":
		answer.syncing, answer.linkUp = true, false
	case "silent":
		answer.silent = true
	case "refuses":
		answer.refuses = true
	case "busy":
		answer.refuses, answer.busy = true, true
	case "primary":
		answer.primary = true
	case "replica":
		answer.primary = false
	default:
		answer.id, answer.offset = words[0], s.number(words[1])
	}
	if len(words) > 3 {
		now = s.number(words[3])
	}
	if who == "primary" {
		s.j.primarySays(at, answer)
		return ""
	}
	v := s.j.replicaSays(at, now, answer)
	text := fmt.Sprintf("   %v, %d ms behind", v.state, v.lag)
	if v.until > 0 {
		text += fmt.Sprintf(", may be read until %d", v.until)
	}
	if (v.state == link.ReplicaFit) != (v.until > now) {
		s.t.Errorf("%v: %+v", words, v)
	}
	return text + "\n"
}

// A primary of which much is remembered is remembered coarsely, and never to the replicas' advantage.
func TestMemoryOfPrimaryIsBounded(t *testing.T) {
	j := judge{limit: 3_600_000}
	exact := map[int64]int64{}
	for at := int64(0); at < 1_000_000; at += 100 {
		j.primarySays(at, says{primary: true, id: "A", offset: at * 3})
		exact[at*3] = at
	}
	if len(j.points) > mostPoints {
		t.Errorf("%d points", len(j.points))
	}
	for offset, at := range exact {
		if got, known := j.asOf(offset); known && got > at {
			t.Fatalf("offset %d is as of %d, and was reached at %d", offset, got, at)
		}
	}
	if got, _ := j.asOf(999_900 * 3); got != 999_900 {
		t.Errorf("the latest offset is as of %d", got)
	}
}
