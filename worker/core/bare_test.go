// What tests need of a loop that has no pools.

package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// bareLoop has only what buffers need of a loop.
func bareLoop() *loop {
	l := &loop{}
	l.memory = memory.New(&l.timers, &l.now)
	l.io = stream.NewLoop(l.memory, 0, maxTurnBytes)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sequence holds the numbers from 0 on, three bytes each.
var sequence = func() (b []byte) {
	for i := range 100_000 {
		b = append(b, byte(i>>16), byte(i>>8), byte(i))
	}
	return b
}()
