// Events: what can be told in the log, with its words and its keys.

package logevent

import (
	"fmt"
	"strings"
)

// Level is how important a line is, as twemproxy numbers it (nc_log.h): a line is written if it is not above the verbosity.
type Level int

const (
	Emergency Level = 0 // also what the operator has just asked for
	Error     Level = 3
	Warn      Level = 4
	Notice    Level = 5 // the default verbosity
	Info      Level = 6
	Debug     Level = 7
	MaxLevel  Level = 11
)

// String returns the name that the level has for machines.
func (l Level) String() string {
	switch {
	case l == Emergency:
		return "notice"
	case l <= Error:
		return "error"
	case l == Warn:
		return "warning"
	case l == Notice:
		return "notice"
	case l == Info:
		return "info"
	}
	return "debug"
}

// Event is one thing that is worth a line.
type Event struct {
	Name    string // for machines; of small letters and "_"
	Level   Level  // unless the line says another
	Text    string // for people; a format of package fmt
	Keys    []string
	Repeats bool // others than the operator can make it happen again and again: see Limiter

	verbs int // in Text: the first so many values are for it
}

// textOnly is in the place of a key whose value is a part of the text and nothing more.
const textOnly = "-"

// Table is events in the order in which documents show them.
type Table []*Event

// Add returns a new event of the table. keys names the values that a line has, in their order, separated by spaces: those of the
// text first, then those that are for machines alone.
func (t *Table) Add(level Level, name, text, keys string) *Event {
	e := &Event{Name: name, Level: level, Text: text, Keys: strings.Fields(keys)}
	e.verbs = strings.Count(strings.ReplaceAll(text, "%%", ""), "%")
	*t = append(*t, e)
	return e
}

// AddRepeating is Add for an event that Repeats.
func (t *Table) AddRepeating(level Level, name, text, keys string) *Event {
	e := t.Add(level, name, text, keys)
	e.Repeats = true
	return e
}

// ForMachines returns the keys that a line of e may have.
func (e *Event) ForMachines() (keys []string) {
	for _, key := range e.Keys {
		if key != textOnly {
			keys = append(keys, key)
		}
	}
	return keys
}

// Line returns the line of e that has these values, one for each of its keys.
func (e *Event) Line(values ...any) Line {
	line := Line{Event: e.Name, Level: e.Level, Text: fmt.Sprintf(e.Text, values[:min(e.verbs, len(values))]...), repeats: e.Repeats}
	for i, v := range values {
		if i < len(e.Keys) && e.Keys[i] != textOnly {
			line.add(e.Keys[i], v)
		}
	}
	return line
}
