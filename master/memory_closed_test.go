package master

import (
	"testing"
	"time"
)

// What a counter had before is no news; what comes is, for a minute, and one after the other is one piece of news.
func TestMemoryClosed(t *testing.T) {
	start := time.Unix(1e9, 0)
	g := &generation{news: []poolNews{{memoryClosed: memoryClosed{counted: 5}}}}
	for _, step := range []struct {
		at      time.Duration
		counted uint64
		want    uint64 // clients that are told of; 0: nothing is told
	}{
		{0, 5, 0}, {time.Second, 7, 2}, {2 * time.Second, 7, 2}, {50 * time.Second, 10, 5}, {100 * time.Second, 10, 5}, {111 * time.Second, 10, 0},
		{200 * time.Second, 11, 1}, {201 * time.Second, 3, 1},
	} {
		now := start.Add(step.at)
		g.news[0].memoryClosed.note(step.counted, now)
		got := uint64(0)
		if s := g.memoryClosedStatus(0, now); s != nil {
			got = s.Clients
		}
		if got != step.want {
			t.Errorf("after %v: %d clients, want %d", step.at, got, step.want)
		}
	}
}
