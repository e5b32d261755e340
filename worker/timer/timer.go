// Deadlines, ordered: a binary heap.

package timer

// Timer calls Fire once a heap's time has reached what it is set to. The zero Timer is off. It must not be copied or
// overwritten while it is armed: the heap points to it.
type Timer struct {
	at   int64  // ns
	pos  int    // index in the heap plus one; 0 = off
	Fire func() // must be there before the Timer is due
}

// Armed tells whether t is to fire.
func (t *Timer) Armed() bool { return t.pos != 0 }

// Due returns the time, in ns, that t was last armed for.
func (t *Timer) Due() int64 { return t.at }

// Heap holds the timers that are armed; Heap[0] is due first. The zero Heap is empty.
type Heap []*Timer

// Set arms t for at, in ns, whether or not it is armed already.
func (h *Heap) Set(t *Timer, at int64) {
	if t.pos == 0 {
		*h = append(*h, t)
		t.pos = len(*h)
	}
	t.at = at
	h.up(t.pos - 1)
	h.down(t.pos - 1)
}

// Stop disarms t.
func (h *Heap) Stop(t *Timer) {
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

// Next returns when the first timer is due.
func (h Heap) Next() (at int64, ok bool) {
	if len(h) == 0 {
		return 0, false
	}
	return h[0].at, true
}

// Run fires what is due at now. A timer that is set again while it fires waits for the next run even if it is due.
func (h *Heap) Run(now int64) {
	for due := len(*h); due > 0 && len(*h) > 0 && (*h)[0].at <= now; due-- {
		t := (*h)[0]
		h.Stop(t)
		t.Fire()
	}
}

func (h Heap) place(t *Timer, i int) {
	h[i] = t
	t.pos = i + 1
}

func (h Heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h Heap) down(i int) {
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

func (h Heap) swap(i, j int) {
	a, b := h[i], h[j]
	h.place(a, j)
	h.place(b, i)
}
