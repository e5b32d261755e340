// The door to the YAML library: nutcracker.yml becomes sections. Only the tree of nodes is taken from the library; what
// a scalar means is decided by its text, as in twemproxy, not by YAML's rules (there, 0400 is octal and yes a boolean).

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads one document of pools. More of YAML is accepted than twemproxy does ("---", flow style, quotes of every
// kind), except aliases: what is shared between pools would be hard to see.
func (r *reader) readYAML(text []byte) []section {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) {
			r.reportSyntax(text, err)
		}
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode && !isNull(root) {
		r.report(placeOf(root), "", flaw{message: "is not a map of pools",
			hint: `begin a pool with its name and a colon, such as "alpha:"`})
		return nil
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		r.report(placeOf(&next), "", flaw{message: "a second document begins here", hint: "put all pools into one"})
	case !errors.Is(err, io.EOF):
		r.reportSyntax(text, err)
	}
	if isNull(root) {
		return nil
	}
	return r.readRoot(root)
}

func (r *reader) readRoot(root *yaml.Node) []section {
	var sections []section
	var global *word
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, body := wordOf(root.Content[i]), root.Content[i+1]
		if root.Content[i].Kind != yaml.ScalarNode {
			r.report(name.at, "", flaw{message: "the name of a pool is not text"})
			continue
		}
		if body.Kind != yaml.MappingNode {
			r.report(name.at, "", noMap(name.text, body))
			continue
		}
		s := section{name: name, settings: readSettings(body)}
		s.merged = s.has(mergeKey)
		if body.Anchor != "" && !s.has("listen") && !s.has("servers") {
			r.report(name.at, "", flaw{message: fmt.Sprintf("%q has the anchor %q, and is no pool", name.text, "&"+body.Anchor),
				hint: "write out its keys in each pool that is to have them, and remove it"})
			continue
		}
		s.global = name.text == GlobalScope.String() && !s.has("listen")
		if s.global && global != nil {
			r.report(name.at, "", flaw{message: "global is given twice",
				hint: fmt.Sprintf("the first is in line %d; a pool called global needs listen", global.at.line)})
			continue
		}
		if s.global {
			global = &name
		}
		sections = append(sections, s)
	}
	return sections
}

// noMap says what is wrong with a name at the top that has no keys under it.
func noMap(name string, body *yaml.Node) flaw {
	switch {
	case body.Kind == yaml.AliasNode:
		return flaw{message: fmt.Sprintf("%q is the alias %q", name, "*"+body.Value), hint: "write out its keys"}
	case lookup(name, PoolScope) != nil:
		return flaw{message: fmt.Sprintf("%s is outside of a pool", name), hint: "indent it under the name of its pool"}
	case lookup(name, GlobalScope) != nil:
		return flaw{message: fmt.Sprintf("%s is outside of global", name), hint: `indent it under "global:"`}
	}
	return flaw{message: fmt.Sprintf("pool %q has no keys", name), hint: `indent "listen:" and "servers:" under it`}
}

func readSettings(body *yaml.Node) []setting {
	var settings []setting
	for i := 0; i+1 < len(body.Content); i += 2 {
		set := setting{key: wordOf(body.Content[i])}
		value := body.Content[i+1]
		switch {
		case set.key.text == "servers" && value.Kind == yaml.SequenceNode:
			set.values, set.details, set.flaw = serversOf(value)
		case set.key.text == mergeKey && value.Kind == yaml.AliasNode:
			set.values = []word{{"*" + value.Value, placeOf(value)}}
		default:
			set.values, set.flaw = wordsOf(value)
		}
		set.list = value.Kind == yaml.SequenceNode
		settings = append(settings, set)
	}
	return settings
}

// wordsOf returns the scalars of a value. A list means its elements one by one, whatever the key, as in twemproxy.
func wordsOf(value *yaml.Node) ([]word, *flaw) {
	nodes := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		nodes = value.Content
	}
	if value.Kind == yaml.MappingNode && len(value.Content) == 0 {
		return nil, &flaw{message: "is an empty map", hint: `write "{}" in quotes`}
	}
	var words []word
	for _, n := range nodes {
		if f := markOf(n); f != nil {
			return nil, f
		}
		switch n.Kind {
		case yaml.ScalarNode:
			if n != value || !isNull(n) {
				words = append(words, wordOf(n))
			}
		case yaml.AliasNode:
			return nil, &flaw{message: fmt.Sprintf("is the alias %q", "*"+n.Value), hint: "write out its value"}
		case yaml.MappingNode:
			return nil, &flaw{message: fmt.Sprintf("has a map in line %d", n.Line), hint: hintForMap(n)}
		default:
			return nil, &flaw{message: fmt.Sprintf("has a list in line %d", n.Line), hint: "write text"}
		}
	}
	return words, nil
}

// markOf finds a value that has nothing but a tag or an anchor: it was to be text that begins with ! or &.
func markOf(n *yaml.Node) *flaw {
	empty := n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0
	switch {
	case empty && n.Tag == hiddenTag:
		return &flaw{message: "is hidden", hint: "write the password; pinion config --passwords shows it where it is known"}
	case empty && n.Style&yaml.TaggedStyle != 0:
		return &flaw{message: "begins with !, which is a tag in YAML, and has nothing after it", hint: "put the value in quotes"}
	case empty && n.Anchor != "":
		return &flaw{message: "begins with &, which is an anchor in YAML, and has nothing after it", hint: "put the value in quotes"}
	}
	return nil
}

// hintForMap says what to write instead of a map.
func hintForMap(n *yaml.Node) string {
	var host, port string
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "host", "address", "ip":
			host = n.Content[i+1].Value
		case "port":
			port = n.Content[i+1].Value
		}
	}
	switch {
	case host != "" && port != "":
		return fmt.Sprintf("write %q", host+":"+port+":1")
	case n.Style&yaml.FlowStyle != 0:
		return "put the value in quotes if { and } are a part of it"
	}
	return "write text; is there a space after a colon?"
}

// serversOf returns the servers of a list. One that is a map is what stands there as "server", with the rest as its details.
func serversOf(list *yaml.Node) (servers []word, all map[place]*details, f *flaw) {
	plain := *list
	plain.Content = nil
	all = map[place]*details{}
	for _, n := range list.Content {
		if n.Kind != yaml.MappingNode || len(n.Content) == 0 || !isPartOfServer(n.Content[0].Value) {
			plain.Content = append(plain.Content, n)
			continue
		}
		server, d, f := serverOf(n)
		if f != nil {
			return nil, nil, f
		}
		plain.Content = append(plain.Content, server)
		all[placeOf(server)] = d
	}
	servers, f = wordsOf(&plain)
	return servers, all, f
}

// serverOf takes apart a server that is a map.
func serverOf(n *yaml.Node) (server *yaml.Node, d *details, f *flaw) {
	d = &details{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value == partServer && value.Kind == yaml.ScalarNode && server == nil:
			server = value
		case key.Value == partZone && value.Kind == yaml.ScalarNode && d.zone == nil:
			d.zone = &word{value.Value, placeOf(value)}
		case key.Value == partReplicas && d.replicas == nil:
			if d.replicas, f = replicasOf(value); f != nil {
				return nil, nil, f
			}
		case !isPartOfServer(key.Value):
			return nil, nil, &flaw{message: fmt.Sprintf("has the unknown key %q in line %d", key.Value, key.Line), hint: suggest(key.Value, partsOfServer)}
		default:
			return nil, nil, &flaw{message: fmt.Sprintf("has a wrong or a second %s in line %d", key.Value, key.Line), hint: serverMapForm}
		}
	}
	if server == nil {
		return nil, nil, &flaw{message: fmt.Sprintf("has a map without server in line %d", n.Line), hint: serverMapForm}
	}
	return server, d, nil
}

// replicasOf returns the replicas of a list, each of which is an address, or a map of it and its zone.
func replicasOf(list *yaml.Node) (all []replica, f *flaw) {
	bad := &flaw{message: fmt.Sprintf("has replicas in line %d that are no list of addresses", list.Line), hint: replicasForm}
	switch {
	case list.Kind != yaml.SequenceNode:
		return nil, bad
	case len(list.Content) == 0:
		return nil, &flaw{message: fmt.Sprintf("has an empty list of replicas in line %d", list.Line), hint: "remove it, or " + replicasForm}
	}
	for _, n := range list.Content {
		switch {
		case n.Kind == yaml.ScalarNode:
			all = append(all, replica{address: wordOf(n)})
			continue
		case n.Kind != yaml.MappingNode:
			return nil, bad
		}
		var r replica
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			switch {
			case value.Kind != yaml.ScalarNode || key != partReplica && key != partZone:
				return nil, bad
			case key == partReplica:
				r.address = wordOf(value)
			default:
				r.zone = &word{value.Value, placeOf(value)}
			}
		}
		if r.address.text == "" {
			return nil, &flaw{message: fmt.Sprintf("has a replica without its address in line %d", n.Line), hint: replicasForm}
		}
		all = append(all, r)
	}
	return all, nil
}

func wordOf(n *yaml.Node) word { return word{n.Value, placeOf(n)} }

func placeOf(n *yaml.Node) place { return place{n.Line, n.Column} }

// isNull reports whether a value was left out, which differs from an empty text in quotes.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 }

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// lineOf returns the first line with that word in it.
func lineOf(text []byte, word string) int {
	for _, l := range linesOf(text) {
		if strings.Contains(l.text, word) {
			return l.number
		}
	}
	return 1
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// reportSyntax takes apart the library's error, which has a line at best: none if it is the first, none for an anchor, and that of
// another place where the parser, other than the scanner, expected something else.
func (r *reader) reportSyntax(text []byte, err error) {
	message, line := partsOf(err)
	at := place{max(line, 1), 1}
	if strings.HasPrefix(message, "did not find expected") {
		at.line = lineOfError(text, message)
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		at.line = lineOf(text, "*"+m[1])
	}
	f := flaw{message: "is not YAML: " + message, hint: "indent with spaces, and put values with punctuation in quotes"}
	for _, h := range yamlHints {
		if strings.Contains(message, h.message) {
			f.hint = h.hint
		}
	}
	last := max(at.line, 1)
	if strings.Contains(message, "UTF-8") { // which the library finds while it reads ahead
		last = len(text)
	}
	pool := ""
	if l := lineAt(text, at.line); l.key != "" {
		pool, f.message = l.pool, l.key+" "+f.message
	}
	if l, where, slip := slipIn(text, last); slip != nil {
		at, pool, f = where, l.pool, *slip
	}
	r.report(at, pool, f)
}

// partsOf returns the message of an error of the library, and the line that it names or 0.
func partsOf(err error) (message string, line int) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 0
	}
	line, _ = strconv.Atoi(m[1]) // without a line, 0
	return m[2], line
}

// lineOfError returns the first line with which the text is not YAML any more, for the reason in the message: the parser reads from
// the front, so what it stumbles over in some lines it stumbles over in more.
func lineOfError(text []byte, message string) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	size := 0
	ends := make([]int, len(lines)) // ends[i] is how long the text is to the end of lines[i]
	for i, line := range lines {
		size += len(line)
		ends[i] = size
	}
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		var ignored yaml.Node
		err := yaml.Unmarshal(text[:ends[i]], &ignored)
		if err == nil {
			return false
		}
		got, _ := partsOf(err)
		return got == message
	})
}

// yamlHints translates what the library says into what operators do wrong.
var yamlHints = [...]flaw{
	{message: "cannot start any token",
		hint: "indent with spaces, not with tabs, and put values that begin with @, ` or % in quotes"},
	{message: "could not find expected ':'", hint: `write "key: value", with a colon and a space`},
	{message: "mapping values are not allowed", hint: "indent all keys of a pool alike, with one key on a line"},
	{message: "did not find expected '-' indicator", hint: "indent all keys of a pool alike, from this line on"},
	{message: "did not find expected key", hint: "indent all keys of a pool alike, from this line on"},
	{message: "unknown anchor", hint: "write out the value instead of an alias"},
	{message: "did not find expected ','", hint: "close what { or [ has opened"},
	{message: "unexpected end of stream", hint: "close the quotes"},
	{message: "expected <document start>", hint: "indent all keys of a pool alike"},
}
