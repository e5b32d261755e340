package master

import (
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
)

// A slot's worker is as old as its process, whoever has started that.
func TestOccupiedSlotIsAsOldAsItsProcess(t *testing.T) {
	now := time.Now()
	for bornAt, want := range map[time.Time]time.Time{now.Add(-time.Hour): now.Add(-time.Hour), {}: now} {
		s := &slot{}
		s.occupy(&process.Worker{BornAt: bornAt}, now)
		if !s.bornAt.Equal(want) || !s.readyAt.Equal(now) {
			t.Errorf("born at %v: got %v and %v", bornAt, s.bornAt, s.readyAt)
		}
	}
}

// The documents show the level of an ordinary end.
func TestOrdinaryEndHasTheLevelOfItsEvent(t *testing.T) {
	m := &master{phase: serving}
	if got := m.endLevel(""); got != logfile.WorkerEnded.Level {
		t.Errorf("got %v, the event has %v", got, logfile.WorkerEnded.Level)
	}
}
