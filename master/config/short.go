// The short form: one directive a line, words separated by spaces, # begins a comment. Redis, ketama and fnv1a_64 are
// what one gets without asking.
//
//	listen 127.0.0.1:22121
//	hash $key
//	backend redis1 127.0.0.1:6379
//	backend redis2 127.0.0.1:6380 weight=1

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Directives of the short form beside the keys of the table.
const (
	dirPool     = "pool"     // pool NAME: begins a pool
	dirListen   = "listen"   // listen ADDRESS [PERMISSIONS]: begins a pool, unless "pool" has just begun one
	dirHash     = "hash"     // hash [FUNCTION] $key
	dirBackend  = "backend"  // backend NAME ADDRESS [weight=N]
	dirProtocol = "protocol" // protocol redis|memcache
	dirUser     = "user"     // user NAME RULE…

	backendForm    = "write backend NAME ADDRESS [weight=N]"
	hashedVariable = "$key"
	byteOrderMark  = "\ufeff"
)

// shortFormOnly has what to write in YAML for what only the short form knows.
var shortFormOnly = map[string]string{
	dirBackend:  "that is of the short form; write servers, a list of host:port:weight [name]",
	dirProtocol: "that is of the short form; write redis: true, or redis: false for memcached",
	dirUser:     "that is of the short form; write users, a list of NAME RULE …",
}

func directives() []string {
	names := append([]string{dirPool, dirBackend, dirProtocol, dirUser}, keyNames(PoolScope)...)
	names = slices.DeleteFunc(names, func(name string) bool { return name == serversKey || name == usersKey })
	return append(names, keyNames(GlobalScope)...)
}

// isShortForm looks at the first line that says something. A line of YAML has a colon after its first key.
func isShortForm(text []byte) bool {
	for line := range strings.Lines(strings.TrimPrefix(string(text), byteOrderMark)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		first, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		rest = strings.TrimSpace(rest)
		if slices.Contains(directives(), first) {
			return rest != ":" && !strings.HasPrefix(rest, ": ")
		}
		return isName(first) && rest != "" && !strings.Contains(line, ": ") && !strings.HasSuffix(line, ":")
	}
	return false
}

// isName reports whether the word could be a directive, perhaps a misspelt one.
func isName(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return strings.IndexAny(text, letters) == 0 && strings.Trim(text, letters+"_-") == ""
}

// shortForm is the state of reading: the process-wide section, then the pools begun so far.
type shortForm struct {
	*reader
	sections []section
	portless []portless
	seeds    []portless // backends without a name, as the nodes of a cluster have none; their address is that of the directive
}

// portless is a backend without a port, which the name of a master has not either.
type portless struct {
	section int
	address word
	server  word // as for shortForm.server
}

func (r *reader) readShort(text []byte) []section {
	r.short = true
	f := &shortForm{reader: r, sections: []section{{global: true}}}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), byteOrderMark)) {
		n++
		if !utf8.ValidString(line) {
			f.problem(place{n, 1}, "this line is not UTF-8 text", "")
			continue
		}
		words, bad := splitLine(line, n)
		if bad != nil {
			f.problem(place{n, 1}, bad.message, bad.hint)
		} else if len(words) > 0 {
			f.directive(words[0], words[1:])
		}
	}
	f.settlePortless()
	f.settleSeeds()
	for i := range f.sections {
		s := &f.sections[i]
		if !s.global && !s.has("redis") {
			s.settings = append(s.settings, setting{key: word{"redis", s.name.at}, values: []word{{text: "true"}}})
		}
	}
	return f.sections
}

func (f *shortForm) current() *section { return &f.sections[len(f.sections)-1] }

func (f *shortForm) problem(at place, message, hint string) {
	f.report(at, f.current().name.text, flaw{message: message, hint: hint})
}

// add sets a key of the current section.
func (f *shortForm) add(key word, name string, values ...word) {
	s := f.current()
	s.settings = append(s.settings, setting{key: word{name, key.at}, values: values, list: len(values) > 1})
}

func (f *shortForm) directive(d word, args []word) {
	if !slices.Contains(directives(), d.text) {
		hint := cmp.Or(foreignDirectives[d.text], suggestKey(d.text, directives()))
		if strings.HasPrefix(d.text, "server") {
			hint = backendForm
		}
		f.problem(d.at, fmt.Sprintf("unknown directive %q", d.text), hint)
		return
	}
	switch d.text {
	case dirPool:
		f.pool(d, args)
		return
	case dirListen:
		f.listen(d, args)
		return
	}
	if f.current().global && lookup(d.text, GlobalScope) == nil {
		f.problem(d.at, d.text+" stands before the first pool", `begin a pool first, with "listen 127.0.0.1:22121"`)
		return
	}
	switch d.text {
	case dirHash:
		f.hash(d, args)
	case dirBackend:
		f.backend(d, args)
	case dirProtocol:
		f.protocol(d, args)
	case dirUser:
		f.user(d, args)
	default:
		f.option(d, args)
	}
}

func (f *shortForm) pool(d word, args []word) {
	if len(args) != 1 {
		f.problem(d.at, "pool wants one name", "write pool NAME")
		return
	}
	f.sections = append(f.sections, section{name: args[0]})
}

// listen begins a pool that is named by its address, unless it is the first listen of a pool begun by its name.
func (f *shortForm) listen(d word, args []word) {
	if f.current().global || f.current().has("listen") {
		name := word{d.text, d.at}
		if len(args) > 0 {
			name.text = args[0].text
		}
		f.sections = append(f.sections, section{name: name})
	}
	switch len(args) {
	case 1:
		f.add(d, "listen", args[0])
	case 2:
		f.add(d, "listen", word{args[0].text + " " + args[1].text, args[0].at})
	default:
		f.add(d, "listen")
	}
}

func (f *shortForm) hash(d word, args []word) {
	if n := len(args); n > 0 && args[n-1].text == hashedVariable {
		if args = args[:n-1]; n == 1 {
			return
		}
	}
	if len(args) == 1 && !strings.HasPrefix(args[0].text, "$") {
		f.add(d, "hash", args[0])
		return
	}
	f.problem(d.at, "hash wants the name of a function and $key", "write hash $key, or hash FUNCTION $key")
}

func (f *shortForm) backend(d word, args []word) {
	lost := func(at place, message, hint string) {
		f.problem(at, message, hint)
		f.current().lost = true
	}
	if len(args) == 1 {
		f.seeds = append(f.seeds, portless{len(f.sections) - 1, d, args[0]})
		return
	}
	if len(args) < 1 || len(args) > 3 {
		lost(d.at, "backend wants a name and an address", backendForm)
		return
	}
	name, address, weight := args[0], args[1].text, "1"
	if len(args) == 3 {
		var ok bool
		if weight, ok = strings.CutPrefix(args[2].text, "weight="); !ok {
			hint := "write weight=N, or nothing"
			if n, isNumber := decimal(args[2].text); isNumber && n > 0 {
				hint = fmt.Sprintf("write weight=%d", n)
			}
			lost(args[2].at, fmt.Sprintf("backend knows no %q", args[2].text), hint)
			return
		}
	}
	host, end, _ := cutLast(address, ':')
	unix := strings.HasPrefix(address, "/")
	switch {
	case name.text == "" || strings.Contains(name.text, " "):
		lost(name.at, fmt.Sprintf("backend name %q is empty or has a space", name.text), "write one word")
	case !unix && hasStrayColon(host):
		lost(args[1].at, fmt.Sprintf("backend address %q has too many colons", address), backendHint(host, end))
	case strings.Contains(address, " ") || !unix && !strings.Contains(address, ":"):
		f.portless = append(f.portless, portless{len(f.sections) - 1, args[1], word{address + ":" + weight + " " + name.text, args[1].at}})
	default:
		f.current().item(serversKey, word{address + ":" + weight + " " + name.text, args[1].at})
	}
}

// backendHint is for an address with more than host:port: perhaps with a weight, as in nutcracker.yml.
func backendHint(address, end string) string {
	const form = "the short form takes host:port, with an IPv6 address in brackets"
	host, port, _ := cutLast(address, ':')
	if _, bad := parsePort(port); bad != nil || hasStrayColon(host) {
		return form
	}
	if n, ok := decimal(end); !ok || n == 0 {
		return form
	}
	return fmt.Sprintf("the short form takes host:port: write %s weight=%s", address, end)
}

// settlePortless decides about backends without a port, once it is known which pools have sentinels.
func (f *shortForm) settlePortless() {
	for _, b := range f.portless {
		s := &f.sections[b.section]
		if s.has("sentinels") {
			s.item(serversKey, b.server)
			continue
		}
		f.report(b.address.at, s.name.text, flaw{message: fmt.Sprintf("backend address %q has no port", b.address.text),
			hint: "write host:port, or a path from / on"})
		s.lost = true
	}
}

// settleSeeds decides about backends without a name, once it is known which pools are of a cluster.
func (f *shortForm) settleSeeds() {
	for _, b := range f.seeds {
		s := &f.sections[b.section]
		if s.isOfCluster() {
			s.item(serversKey, b.server)
			continue
		}
		f.report(b.address.at, s.name.text, flaw{message: "backend wants a name and an address", hint: backendForm})
		s.lost = true
	}
}

// item adds to a list of the pool, in the form of nutcracker.yml.
func (s *section) item(key string, w word) {
	i := slices.IndexFunc(s.settings, func(set setting) bool { return set.key.text == key })
	if i < 0 {
		i = len(s.settings)
		s.settings = append(s.settings, setting{key: word{key, w.at}})
	}
	s.settings[i].values = append(s.settings[i].values, w)
}

// user adds a user, whose rules are words of the line.
func (f *shortForm) user(d word, args []word) {
	if len(args) == 0 {
		f.problem(d.at, "user wants a name and rules", "write user NAME on >PASSWORD ~KEYS +COMMANDS")
		return
	}
	line := word{at: args[0].at}
	for _, arg := range args {
		line.text += " " + arg.text
	}
	line.text = line.text[1:]
	f.current().item(usersKey, line)
}

func (f *shortForm) protocol(d word, args []word) {
	for _, p := range protocols {
		if len(args) == 1 && string(p.meaning) == args[0].text {
			f.add(d, "redis", word{p.text, args[0].at})
			return
		}
	}
	f.problem(d.at, "protocol is neither redis nor memcache", "write protocol redis, or protocol memcache")
}

func (f *shortForm) option(d word, args []word) {
	s := f.current()
	if !s.global && lookup(d.text, PoolScope) == nil {
		f.problem(d.at, d.text+" is process-wide", "move it before the first pool")
		return
	}
	f.add(d, d.text, args...)
}

// splitLine cuts a line into words. A word in single or double quotes may hold spaces and #, but not that quote.
func splitLine(line string, n int) ([]word, *flaw) {
	const space = " \t\r\n"
	var words []word
	for at := 0; ; {
		at += len(line[at:]) - len(strings.TrimLeft(line[at:], space))
		rest := line[at:]
		if rest == "" || rest[0] == '#' {
			return words, nil
		}
		w := word{at: place{n, utf8.RuneCountInString(line[:at]) + 1}}
		size := strings.IndexAny(rest+" ", space)
		w.text = rest[:size]
		if quote := rest[0]; quote == '"' || quote == '\'' {
			closing := strings.IndexByte(rest[1:], quote)
			size = closing + 2
			if closing < 0 || strings.IndexAny(rest[size:]+" ", space) > 0 {
				return nil, &flaw{message: fmt.Sprintf("a word in quotes does not end with %c", quote), hint: "close the quotes"}
			}
			w.text = rest[1 : size-1]
		}
		words = append(words, w)
		at += size
	}
}
