// What the text shows before either format is read: what a tool was to fill in or to merge before, and comments that were none.

package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	// template finds what Jinja, Helm, ERB and envsubst replace.
	template = regexp.MustCompile(`\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]{2,}`)

	// conflict finds the lines by which git and diff3 part the sides of a merge.
	conflict = regexp.MustCompile(`^(<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)( |$)`)

	// lineKey finds the key at the begin of a line, with or without a colon.
	lineKey = regexp.MustCompile(`^[ \t]*["']?([A-Za-z_][\w-]*)["']?[ \t]*(:[ \t]|:$|[ \t]|$)`)

	// topKey finds the name of a section.
	topKey = regexp.MustCompile(`^["']?([^\s"'#:-][^"':]*)["']?[ \t]*:[ \t]*(&\S+)?$`)
)

// line is one line of a file.
type line struct {
	number  int
	text    string // without its comment and its end
	comment string // from # on
	key     string // that the line gives a value, be it with an item of its list
	pool    string // the section that it stands in, as far as the text alone tells
}

// linesOf takes a text apart. It knows nothing of values over several lines.
func linesOf(text []byte) []line {
	var lines []line
	var l line
	for raw := range bytes.Lines(text) {
		l.number++
		l.text, l.comment = cutComment(strings.TrimRight(string(raw), "\r\n"))
		if m := topKey.FindStringSubmatch(l.text); m != nil {
			l.pool, l.key = m[1], ""
		}
		if m := lineKey.FindStringSubmatch(l.text); m != nil {
			l.key = m[1]
		}
		lines = append(lines, l)
	}
	return lines
}

// lineAt returns the line of that number, or an empty one.
func lineAt(text []byte, number int) line {
	lines := linesOf(text)
	if number < 1 || number > len(lines) {
		return line{}
	}
	return lines[number-1]
}

// cutComment parts a line before the # that begins its comment: one at the begin of a word and outside of quotes.
func cutComment(text string) (before, comment string) {
	quote, begins := rune(0), true
	for i, c := range text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case begins && c == '#':
			return strings.TrimRight(text[:i], " \t"), text[i:]
		case begins && (c == '"' || c == '\''):
			quote = c
		}
		begins = strings.ContainsRune(" \t[{,:", c)
	}
	return strings.TrimRight(text, " \t"), ""
}

// at returns the place of a byte of the line.
func (l *line) at(offset int) place {
	return place{l.number, utf8.RuneCountInString(l.text[:min(offset, len(l.text))]) + 1}
}

// isSecret reports whether the line has what must not be shown.
func (l *line) isSecret() bool { return isSecret(l.key) }

func isSecret(key string) bool {
	return slices.ContainsFunc(keys[:], func(k Key) bool { return k.secret && k.Name == key })
}

// checkText reports what no format has a place for. The text that it returns has zeros and spaces there, so that the rest can be
// read, and lines tells of which lines all has been said.
func (r *reader) checkText(text []byte) (rest []byte, said map[int]bool) {
	rest, said = bytes.Clone(text), map[int]bool{}
	start := 0
	lines := linesOf(text)
	for i := range lines {
		l := &lines[i]
		r.checkComment(l)
		wrong := r.checkTemplates(l, rest[start:start+len(l.text)])
		if conflict.MatchString(l.text) {
			r.report(l.at(0), "", flaw{message: "is the mark of a merge with a conflict", hint: "keep one of its sides, and remove the marks"})
			blank(rest[start:start+len(l.text)], ' ')
			wrong = true
		}
		if wrong {
			said[l.number] = true
		}
		end := bytes.IndexByte(text[start:], '\n')
		start += end + 1
	}
	return rest, said
}

// checkComment finds a password with # in it that is cut there.
func (r *reader) checkComment(l *line) {
	if l.isSecret() && len(l.comment) > 1 && !strings.ContainsRune(" \t#", rune(l.comment[1])) {
		r.report(place{l.number, l.at(len(l.text)).column}, l.pool, flaw{message: l.key + " ends here, as # begins a comment",
			hint: "put the value in quotes if # is a part of it, or a space after # if not", harmless: true})
	}
}

// checkTemplates finds what nothing has filled in. A secret may be just such a text.
func (r *reader) checkTemplates(l *line, rest []byte) (wrong bool) {
	const hint = "write the value, or fill in the file before Pinion reads it"
	found := template.FindAllStringIndex(l.text, -1)
	for _, at := range found {
		what := l.text[at[0]:at[1]]
		switch {
		case l.isSecret():
			bare := what[0] == '{' && strings.HasSuffix(strings.TrimRight(l.text[:at[0]], " \t"), ":") // which is no text in YAML
			if what[0] != '$' || what[1] == '{' {
				r.report(l.at(at[0]), l.pool, flaw{message: l.key + " looks like a template that nothing has filled in", hint: hint, harmless: !bare})
			}
			wrong = wrong || bare
			continue
		case l.key == "":
			r.report(l.at(at[0]), l.pool, flaw{message: fmt.Sprintf("%q is a template that nothing has filled in", what), hint: hint})
		default:
			r.report(l.at(at[0]), l.pool, flaw{message: fmt.Sprintf("%s has %q, a template that nothing has filled in", l.key, what), hint: hint})
		}
		wrong = true
		with := byte('0')
		if strings.TrimSpace(l.text) == what {
			with = ' '
		}
		blank(rest[at[0]:at[1]], with)
	}
	return wrong
}

func blank(text []byte, with byte) {
	for i := range text {
		text[i] = with
	}
}

// without leaves out what was found in lines of which all has been said.
func (ps Problems) without(said map[int]bool) Problems {
	return slices.DeleteFunc(ps, func(p Problem) bool { return said[p.Line] })
}
