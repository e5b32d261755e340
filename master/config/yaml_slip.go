// Why a text is not YAML. The library says where it could not go on; the slip is often in the line before, and has a plainer name.

package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	dashed    = regexp.MustCompile(`^([ \t]*)-([^\s-].*)$`)
	unspaced  = regexp.MustCompile(`^[ \t]*([a-z][a-z_]*):(\S.*)$`)
	colonless = regexp.MustCompile(`^[ \t]*([a-z][a-z_]*)[ \t]+([^:\s].*)$`)
	valued    = regexp.MustCompile(`^[ \t]*(?:([^\s:'"-][^:'"]*):|-)[ \t]+(\S.*)$`)
)

// slips are what operators get wrong, each with what finds it in a line; at is its byte in there.
var slips = []func(l *line) (at int, f *flaw){notUTF8, oddIndent, noSpaceAfterDash, noSpaceAfterColon, noColon, specialValue}

// slipIn returns the first slip in the lines up to a number.
func slipIn(text []byte, last int) (l *line, at place, f *flaw) {
	lines := linesOf(text)
	for i := range lines[:min(last, len(lines))] {
		l = &lines[i]
		for _, find := range slips {
			if offset, f := find(l); f != nil {
				return l, l.at(offset), f
			}
		}
	}
	return nil, place{}, nil
}

func notUTF8(l *line) (int, *flaw) {
	if utf8.ValidString(l.text) && utf8.ValidString(l.comment) {
		return 0, nil
	}
	return 0, &flaw{message: "this line is not UTF-8 text", hint: "save the file as UTF-8"}
}

func oddIndent(l *line) (int, *flaw) {
	rest := strings.TrimLeft(l.text, " ")
	at := len(l.text) - len(rest)
	c, _ := utf8.DecodeRuneInString(rest)
	switch {
	case rest == "" || !unicode.IsSpace(c) && c != '\ufeff' && c != '\u200b':
		return 0, nil
	case c == '\t':
		return at, &flaw{message: "is indented with a tab", hint: "use spaces"}
	}
	return at, &flaw{message: fmt.Sprintf("has the character %U, which only looks like a space", c), hint: "type the spaces anew"}
}

func noSpaceAfterDash(l *line) (int, *flaw) {
	m := dashed.FindStringSubmatch(l.text)
	if m == nil || l.key != "servers" && l.key != "sentinels" && l.key != "deny" {
		return 0, nil
	}
	return len(m[1]), &flaw{message: "has no space after the dash", hint: fmt.Sprintf("write %q", "- "+m[2])}
}

func noSpaceAfterColon(l *line) (int, *flaw) {
	m := unspaced.FindStringSubmatchIndex(l.text)
	if m == nil || !isKey(l.text[m[2]:m[3]]) {
		return 0, nil
	}
	return m[2], l.toBeWritten("has no space after its colon", l.text[m[2]:m[3]], l.text[m[4]:])
}

func noColon(l *line) (int, *flaw) {
	m := colonless.FindStringSubmatchIndex(l.text)
	if m == nil {
		return 0, nil
	}
	key := l.text[m[2]:m[3]]
	switch {
	case shortFormOnly[key] != "":
		return m[2], &flaw{message: fmt.Sprintf("%s stands in a file of YAML", key), hint: shortFormOnly[key]}
	case !isKey(key):
		return 0, nil
	}
	return m[2], l.toBeWritten("has no colon", key, l.text[m[4]:])
}

// toBeWritten says how to write a key and its value, unless that is a secret.
func (l *line) toBeWritten(message, key, value string) *flaw {
	if isSecret(key) {
		value = "…"
	}
	return &flaw{message: key + " " + message, hint: fmt.Sprintf("write %q", key+": "+value)}
}

// specialValue finds a value that begins or goes on with what YAML takes for something else than text.
func specialValue(l *line) (int, *flaw) {
	m := valued.FindStringSubmatchIndex(l.text)
	if m == nil {
		return 0, nil
	}
	value, subject := l.text[m[4]:], "an item"
	if l.key != "" {
		subject = l.key
	}
	const hint = "put the value in quotes"
	first := value[:1]
	switch {
	case strings.HasPrefix(value, "*:"):
		return m[4], &flaw{message: subject + " begins with *, which is an alias in YAML", hint: fmt.Sprintf("write 0.0.0.0%s to listen on all addresses", value[1:])}
	case first == "*":
		return m[4], &flaw{message: subject + " begins with *, which is an alias in YAML", hint: "write out its value, or put it in quotes"}
	case strings.Contains("@`%", first), strings.Contains("&!", first) && !strings.Contains(value, " "), strings.Contains("|>", first) && len(value) > 2:
		return m[4], &flaw{message: fmt.Sprintf("%s begins with %s, which means something else in YAML", subject, first), hint: hint}
	case first == "{" && !strings.HasSuffix(value, "}") || first == "[" && !strings.HasSuffix(value, "]"):
		return m[4], &flaw{message: fmt.Sprintf("%s begins with %s, and does not end with its counterpart", subject, first), hint: "close it, or put the value in quotes"}
	case (first == `"` || first == `'`) && strings.Count(value, first)%2 == 1:
		return m[4], &flaw{message: subject + " begins with a quote that is not closed", hint: "close it"}
	case first != `"` && first != `'` && first != "{" && first != "[" && m[2] >= 0 && (strings.Contains(value, ": ") || strings.HasSuffix(value, ":")):
		return m[4], &flaw{message: subject + " has a colon with nothing after it", hint: hint}
	}
	return 0, nil
}

func isKey(name string) bool {
	return lookup(name, PoolScope) != nil || lookup(name, GlobalScope) != nil
}
