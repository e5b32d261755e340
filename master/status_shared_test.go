// What the status tells of programs that have the sockets, too.

package master

import (
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/takeover"
)

// Of a program that has several sockets, and lives, the status tells once.
func TestStatusOfSharedSockets(t *testing.T) {
	m := &master{}
	m.takenFrom.programs = []*takeover.Program{{PID: 7, Name: "nutcracker"}}
	lives := true
	other := &listen.Other{PID: 7, Lives: func() bool { return lives }}
	for _, l := range []listen.Listener{{Other: other}, {Other: other, Slot: 1}, {Slot: 2}} {
		m.listeners.Add(l)
	}
	if got := m.sharedWith(); !slices.Equal(got, []admin.ProgramStatus{{PID: 7, Name: "nutcracker"}}) {
		t.Errorf("got %+v", got)
	}
	if lives = false; len(m.sharedWith()) > 0 {
		t.Error("a program that has ended is told of")
	}
}
