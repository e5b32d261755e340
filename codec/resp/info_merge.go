// INFO of several servers as one: what tools read of a Redis server, told of all of them together.

package resp

import (
	"bytes"
	"strconv"
	"strings"
)

// InfoField is a line of INFO, "Name:Value", below the heading "# Section".
type InfoField struct{ Section, Name, Value string }

// mergeInfo is for the INFO of all servers. Those that have failed are left out, unless all have. How many are not is told in the
// last section, if that is the proxy's own.
var mergeInfo = &Merge{Partial: true, tolerant: true, answers: func(dst []byte, a *Answers) (out []byte, ok bool) {
	var texts [][]byte
	for _, r := range a.Replies {
		if IsError(r) {
			continue
		}
		text, ok := textOf(r)
		if !ok {
			return dst, false
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return a.appendFailure(dst)
	}
	own := a.Own
	if last := len(own) - 1; last >= 0 && own[last].Section == InfoPinion {
		own = append(own, InfoField{InfoPinion, "info_servers", strconv.Itoa(len(texts))})
	}
	return a.Version.AppendVerbatim(dst, MergeInfo(nil, texts, own)), true
}}

// InfoPinion is the section that no server has.
const InfoPinion = "Pinion"

// MergeInfo appends the one INFO that texts, the INFO of several servers, amount to: sections and fields in the order of the first
// text that has them, what the servers differ in by infoRules. A field of own stands in the place of what the servers say. If
// none of them has it, it is added to its section, and a section that none of them has to the end.
func MergeInfo(dst []byte, texts [][]byte, own []InfoField) []byte {
	var m infoMerge
	for _, text := range texts {
		m.read(text)
	}
	for _, f := range own {
		m.section(f.Section).field(f.Name, ':').values = []string{f.Value}
	}
	for i, s := range m.sections {
		if i > 0 {
			dst = append(dst, crlf...)
		}
		dst = s.write(dst)
	}
	return dst
}

// InfoWants reports whether INFO with args behind its name, the names of sections, asks for one that Redis tells by default, or for
// another one of that name.
func InfoWants(b []byte, args []Span, section string, byDefault bool) bool {
	section = strings.ToLower(section)
	for _, a := range args {
		name := a.Of(b)
		if equalFold(name, section) || equalFold(name, "all") || equalFold(name, "everything") || byDefault && equalFold(name, "default") {
			return true
		}
	}
	return byDefault && len(args) == 0
}

// infoMerge is INFO that is being merged.
type infoMerge struct{ sections []*infoSection }

type infoSection struct {
	name   string
	fields []*infoLine
	index  map[string]*infoLine
	slaves int // lines for replicas, which each server counts from 0
}

// infoLine is a field with the values that the texts have for it.
type infoLine struct {
	name      string
	separator byte
	values    []string
}

// read adds one server's text.
func (m *infoMerge) read(text []byte) {
	var s *infoSection
	for line := range bytes.Lines(text) {
		line := string(bytes.TrimRight(line, crlf))
		if name, ok := strings.CutPrefix(line, "# "); ok {
			s = m.section(name)
			continue
		}
		end := strings.IndexByte(line, ':')
		if strings.HasPrefix(line, "module:name=") { // one line for each of them
			end = strings.IndexByte(line, ',')
		}
		if s == nil || end <= 0 {
			continue
		}
		f := s.field(s.renumbered(line[:end]), line[end])
		f.values = append(f.values, line[end+1:])
	}
}

// renumbered returns the name that a field has here: replicas are numbered through, whosever they are.
func (s *infoSection) renumbered(name string) string {
	number, ok := strings.CutPrefix(name, "slave")
	if _, err := strconv.Atoi(number); !ok || err != nil {
		return name
	}
	s.slaves++
	return "slave" + strconv.Itoa(s.slaves-1)
}

// section returns the section of that name, a new one if there is none.
func (m *infoMerge) section(name string) *infoSection {
	for _, s := range m.sections {
		if s.name == name {
			return s
		}
	}
	s := &infoSection{name: name, index: map[string]*infoLine{}}
	m.sections = append(m.sections, s)
	return s
}

// field returns the field of that name, a new one if there is none.
func (s *infoSection) field(name string, separator byte) *infoLine {
	f := s.index[name]
	if f == nil {
		f = &infoLine{name: name, separator: separator}
		s.index[name] = f
		s.fields = append(s.fields, f)
	}
	return f
}

// number returns the value of a field that is merged already, 0 if there is none.
func (s *infoSection) number(name string) float64 {
	f := s.index[name]
	if f == nil || len(f.values) == 0 {
		return 0
	}
	v, _ := strconv.ParseFloat(f.values[0], 64)
	return v
}

// write merges the fields, those last that follow from others, and appends the section.
func (s *infoSection) write(dst []byte) []byte {
	for _, f := range s.fields {
		if len(f.values) > 1 {
			f.values = s.rule(f.name)(f.values)
		}
	}
	for _, f := range s.fields {
		if len(f.values) > 1 {
			f.values = []string{s.derive(f.name, f.values)}
		}
	}
	dst = append(dst, "# "...)
	dst = append(dst, s.name...)
	dst = append(dst, crlf...)
	for _, f := range s.fields {
		for _, value := range f.values { // one, or none if it is left out
			dst = append(dst, f.name...)
			dst = append(dst, f.separator)
			dst = append(dst, value...)
			dst = append(dst, crlf...)
		}
	}
	return dst
}
