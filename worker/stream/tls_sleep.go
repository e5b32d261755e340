// Sleeping: the ciphers of a stream take a kilobyte and a half, and microseconds to be made. Who is idle has none.

package stream

const (
	// firstPatience is for how many looks, one a second, a stream may be idle and keep its ciphers. One that needs them again has twice
	// that, up to mostPatience: who sends something every few seconds is not to have them made each time. Most of those that have come
	// together, as the connections of a program do that starts, are not needed soon.
	firstPatience = 1
	mostPatience  = 16

	// A look is at so many streams at least, and at this part of them if they are more: it must not take long.
	lookedAt   = 4096
	partsOfAll = 4
)

// awake are the streams of a loop that have ciphers.
type awake struct {
	streams []*secured // and some that have none any more
	next    int        // to be looked at
	looks   uint8      // so far
}

// wake is called before ciphers are used.
func (t *secured) wake() {
	a := &t.loop.records.awake
	t.used = a.looks
	if t.awake {
		return
	}
	t.awake = true
	t.patience = min(max(2*t.patience, firstPatience), mostPatience)
	if !t.listed {
		t.listed = true
		a.streams = append(a.streams, t)
		t.loop.memory.Expect()
	}
}

// sleep drops the ciphers, and returns about how many bytes those are.
func (t *secured) sleep() (bytes int) {
	if !t.awake {
		return 0
	}
	t.awake = false
	t.records.Sleep()
	return cipherObjects
}

// sleepIdle drops the ciphers of streams that are idle. It returns how many bytes those are, and whether others have some.
func (l *Loop) sleepIdle() (garbage int, left bool) {
	a := &l.records.awake
	a.looks++
	for n := min(len(a.streams), max(len(a.streams)/partsOfAll, lookedAt)); n > 0; n-- {
		if a.next >= len(a.streams) {
			a.next = 0
		}
		t := a.streams[a.next]
		if t.awake && a.looks-t.used <= t.patience {
			a.next++
			continue
		}
		t.listed = false
		garbage += t.sleep()
		a.remove(a.next)
	}
	return garbage, len(a.streams) > 0
}

func (a *awake) remove(i int) {
	last := len(a.streams) - 1
	a.streams[i], a.streams[last] = a.streams[last], nil
	if a.streams = a.streams[:last]; last == 0 {
		a.streams = nil
	}
}
