// The limiter: what may go on and on has few lines in a period, and then one that says how many more there were.

package logevent

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

const (
	// Pause is the period.
	Pause = 10 * time.Second
	// maxLines is how many lines of one kind there are in it.
	maxLines = 4
	// maxKinds is how many kinds are told apart. Further ones of an event are one kind.
	maxKinds = 256
)

// Limiter decides which lines are written now. Lines of one kind are of one event, and have the same cause, pool, server,
// and so on: see volatile. The zero Limiter is ready.
type Limiter struct {
	kinds map[string]*kind
	next  int64 // when Due has something to return or to forget; 0: never
}

// kind is what was written of one kind of lines in a period.
type kind struct {
	until   int64 // the period's end, in ns
	lines   int   // written in it
	leftOut int   // since the last one written
	last    Line  // of those left out
}

// Admit tells whether a line is to be written at a time, in ns. One that is not may be what Due returns later. Lines of levels that
// are for debugging are all written.
func (m *Limiter) Admit(l *Line, now int64) bool {
	if !l.repeats || l.Level >= Debug {
		return true
	}
	k := m.kindOf(l, now)
	if now >= k.until && k.leftOut == 0 {
		*k = kind{until: now + int64(Pause)}
		m.wakeAt(k.until)
	}
	if k.lines >= maxLines || k.leftOut > 0 {
		k.leftOut++
		k.last = *l
		return false
	}
	k.lines++
	return true
}

// Next returns when Due is to be called; 0: not before the next Admit.
func (m *Limiter) Next() int64 { return m.next }

// Due ends the periods that are over at a time, and returns the last line of those in which some were left out.
func (m *Limiter) Due(now int64) (lines []Line) {
	if m.next == 0 || now < m.next {
		return nil
	}
	m.next = 0
	for name, k := range m.kinds {
		switch {
		case now < k.until:
		case k.leftOut == 0:
			delete(m.kinds, name)
			continue
		default:
			k.last.Suppress(k.leftOut - 1)
			lines = append(lines, k.last)
			*k = kind{until: now + int64(Pause), lines: maxLines} // they go on: from here on one line in each period
		}
		m.wakeAt(k.until)
	}
	slices.SortFunc(lines, func(a, b Line) int { return strings.Compare(a.Text, b.Text) })
	return lines
}

func (m *Limiter) wakeAt(at int64) {
	if m.next == 0 || at < m.next {
		m.next = at
	}
}

// kindOf returns the kind of a line.
func (m *Limiter) kindOf(l *Line, now int64) *kind {
	name := kindName(l)
	if m.kinds[name] == nil && len(m.kinds) >= maxKinds {
		name = l.Event
	}
	if m.kinds[name] == nil {
		if m.kinds == nil {
			m.kinds = map[string]*kind{}
		}
		m.kinds[name] = &kind{until: now}
	}
	return m.kinds[name]
}

// volatile are keys in which lines of one kind differ. So do all whose values are numbers, but for worker.
var volatile = []string{"client_address", "command"}

func kindName(l *Line) string {
	var b strings.Builder
	b.WriteString(l.Event)
	for _, a := range l.Attrs {
		if a.Key != "worker" && (a.Value.Kind() != slog.KindString || slices.Contains(volatile, a.Key)) {
			continue
		}
		b.WriteByte(0)
		b.WriteString(a.Key)
		b.WriteByte('=')
		b.WriteString(a.Value.String())
	}
	return b.String()
}
