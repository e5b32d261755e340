package master

import (
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
)

// It is told of handshakes once more than a few have failed since the last that was done, for as long as that is news, with the commonest cause.
func TestFailingHandshakes(t *testing.T) {
	start := time.Unix(1e9, 0)
	f := failingHandshakes{counted: handshakeCounts{done: 7, failed: [6]uint64{9}}}
	for _, step := range []struct {
		at     time.Duration
		counts handshakeCounts
		failed uint64 // 0: nothing is told
		cause  string
	}{
		{0, handshakeCounts{7, [6]uint64{9}}, 0, ""},
		{time.Second, handshakeCounts{7, [6]uint64{10, 0, 0, 1}}, 0, ""},
		{2 * time.Second, handshakeCounts{7, [6]uint64{10, 0, 0, 3}}, 4, "client_tls_refused"},
		{4 * time.Minute, handshakeCounts{7, [6]uint64{10, 0, 0, 3, 0, 5}}, 9, "client_tls_failed"},
		{8 * time.Minute, handshakeCounts{7, [6]uint64{10, 0, 0, 3, 0, 5}}, 9, "client_tls_failed"},
		{10 * time.Minute, handshakeCounts{7, [6]uint64{10, 0, 0, 3, 0, 5}}, 0, ""},
		{11 * time.Minute, handshakeCounts{7, [6]uint64{10, 0, 0, 7, 0, 5}}, 4, "client_tls_refused"},
		{12 * time.Minute, handshakeCounts{8, [6]uint64{10, 0, 0, 9, 0, 5}}, 0, ""},
		{13 * time.Minute, handshakeCounts{8, [6]uint64{10, 0, 0, 11, 0, 5}}, 0, ""},
		{14 * time.Minute, handshakeCounts{8, [6]uint64{10, 0, 0, 12, 0, 5}}, 3, "client_tls_refused"},
	} {
		now := start.Add(step.at)
		f.note(step.counts, now)
		got := f.status(now)
		if got == nil {
			got = &admin.FailingHandshakesStatus{}
		}
		if got.Failed != step.failed || got.Cause != step.cause {
			t.Errorf("after %v: %+v, want %d of %q", step.at, *got, step.failed, step.cause)
		}
	}
}
