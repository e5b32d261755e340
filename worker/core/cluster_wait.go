// Requests that wait at a gate, and their bytes.

package core

import (
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// waitList is requests that wait in a row, and their bytes.
type waitList struct {
	first, last *request
	out         stream.Output
}

// join appends another list, which is empty then.
func (w *waitList) join(other *waitList) {
	if other.first != nil {
		if w.first == nil {
			w.first = other.first
		} else {
			w.last.behind = other.first
		}
		w.last = other.last
	}
	w.out.Join(&other.out)
	*other = waitList{}
}

// takeOut takes those requests out that it says, and returns them.
func (w *waitList) takeOut(m *memory.Allocator, which func(r *request) bool) (taken *request) {
	at := 0
	var stays, last *request
	for r := w.first; r != nil; {
		next := r.behind
		if which(r) {
			if stays == nil {
				w.first = next
			} else {
				stays.behind = next
			}
			w.out.Cut(m, at, int(r.bytes))
			r.behind = nil
			taken, last = chain(taken, last, r)
		} else {
			at += int(r.bytes)
			stays = r
		}
		r = next
	}
	w.last = stays
	return taken
}
