// Deadlines of the loop, ordered: a binary heap of the few things that wait for a time (connections, pools, listeners),
// never of single requests.

package worker

// timer calls fire once the loop's time has reached at. Loop only. The zero timer is off.
type timer struct {
	at   int64 // ns, the loop's clock
	pos  int   // index in the heap plus one; 0 = off
	fire func()
}

// timers is the heap: timers[0] is due first.
type timers []*timer

// set arms t for at, whether or not it is armed already.
func (h *timers) set(t *timer, at int64) {
	if t.pos == 0 {
		*h = append(*h, t)
		t.pos = len(*h)
	}
	t.at = at
	h.up(t.pos - 1)
	h.down(t.pos - 1)
}

// stop disarms t.
func (h *timers) stop(t *timer) {
	if t.pos == 0 {
		return
	}
	i, last := t.pos-1, len(*h)-1
	moved := (*h)[last]
	h.place(moved, i)
	(*h)[last] = nil
	*h = (*h)[:last]
	t.pos = 0
	if moved != t {
		h.up(i)
		h.down(moved.pos - 1)
	}
}

// next returns when the first timer is due.
func (h timers) next() (at int64, ok bool) {
	if len(h) == 0 {
		return 0, false
	}
	return h[0].at, true
}

// run fires what is due at now. A timer that is set again while it fires waits for the next run even if it is due.
func (h *timers) run(now int64) {
	for due := len(*h); due > 0 && len(*h) > 0 && (*h)[0].at <= now; due-- {
		t := (*h)[0]
		h.stop(t)
		t.fire()
	}
}

func (h timers) place(t *timer, i int) {
	h[i] = t
	t.pos = i + 1
}

func (h timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h timers) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h timers) swap(i, j int) {
	a, b := h[i], h[j]
	h.place(a, j)
	h.place(b, i)
}
