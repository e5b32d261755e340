// Lines: events that have happened, and their way from a worker to the master.

package logevent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Line is an event that has happened.
type Line struct {
	Event string // its name; empty: of a worker of an early version
	Level Level
	Text  string // one or more lines, of any bytes
	Attrs []slog.Attr

	repeats bool
}

// SuppressedKey is the key of how many lines of the kind were left out before this one.
const SuppressedKey = "suppressed"

// add adds what a key is, unless that is nothing.
func (l *Line) add(key string, value any) {
	v := plain(value)
	if v.Kind() == slog.KindString && v.String() == "" {
		return
	}
	l.Attrs = append(l.Attrs, slog.Attr{Key: key, Value: v})
}

// plain returns a value as a string, a number or a truth: times are in seconds, errors their texts.
func plain(value any) slog.Value {
	switch v := value.(type) {
	case time.Duration:
		return slog.Float64Value(math.Round(v.Seconds()*1e6) / 1e6)
	case error:
		return slog.StringValue(v.Error())
	case fmt.Stringer:
		return slog.StringValue(v.String())
	}
	switch v := slog.AnyValue(value); v.Kind() {
	case slog.KindAny:
		return slog.StringValue(fmt.Sprint(value))
	default:
		return v
	}
}

// Suppress says that so many lines of the kind were left out before this one.
func (l *Line) Suppress(lines int) {
	if lines == 0 {
		return
	}
	l.Text += Suppressed(lines)
	l.Attrs = append(l.Attrs[:len(l.Attrs):len(l.Attrs)], slog.Int(SuppressedKey, lines))
}

// Suppressed says that so many more lines of the kind were not logged.
func Suppressed(lines int) string {
	if lines == 1 {
		return " (1 more such line suppressed)"
	}
	return fmt.Sprintf(" (%d more such lines suppressed)", lines)
}

const (
	maxTextBytes  = 5 << 10 // of a line on the worker link
	maxValueBytes = 256     // of a value there
)

// Append appends the body of a message of the worker link: the level, the text, and after a zero byte a JSON array of the name of the
// event and of its keys and what they are, in turns. Masters of early versions show all of it as text.
func (l *Line) Append(dst []byte) []byte {
	dst = append(dst, byte(l.Level))
	dst = append(dst, bytes.ReplaceAll([]byte(l.Text[:min(len(l.Text), maxTextBytes)]), []byte{0}, []byte(`\x00`))...)
	array := []any{l.Event}
	for _, a := range l.Attrs {
		v := a.Value.Any()
		if s, isString := v.(string); isString && len(s) > maxValueBytes {
			v = s[:maxValueBytes]
		}
		array = append(array, a.Key, v)
	}
	text, err := json.Marshal(array)
	if err != nil { // what plain returns has a JSON form, but for infinite numbers
		return dst
	}
	return append(append(dst, 0), text...)
}

// Parse reads what Append has written. What it does not understand is text.
func Parse(body []byte) (l Line) {
	if len(body) == 0 {
		return l
	}
	l.Level = Level(body[0])
	text, rest, _ := bytes.Cut(body[1:], []byte{0})
	var array []any
	d := json.NewDecoder(bytes.NewReader(rest))
	d.UseNumber()
	if d.Decode(&array) != nil || len(array) == 0 || !l.parse(array) {
		return Line{Level: l.Level, Text: string(body[1:])}
	}
	l.Text = string(text)
	return l
}

// parse takes over name, keys and values.
func (l *Line) parse(array []any) (ok bool) {
	if l.Event, ok = array[0].(string); !ok {
		return false
	}
	for i := 1; i+1 < len(array); i += 2 {
		key, isString := array[i].(string)
		if !isString {
			return false
		}
		v := array[i+1]
		if n, isNumber := v.(json.Number); isNumber {
			v = number(n)
		}
		l.add(key, v)
	}
	return true
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, _ := n.Float64() // a number too large is infinite, and shown as text
	return f
}
