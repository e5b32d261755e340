// What is made of the replies of real nodes. The scripts in testdata/view have them:
//
//	> node …        a line of the reply to CLUSTER NODES
//	> slots *3\r\n… the reply to CLUSTER SLOTS
//	> view from H   what follows from these if they are those of the node at host H
package discover

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

func TestViews(t *testing.T) {
	playAll(t, "view", func(t *testing.T) transcript.Stage {
		var nodes, slots string
		return func(line string) (seen string) {
			what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch what {
			case "node":
				nodes += rest + "\n"
			case "slots":
				slots = strings.ReplaceAll(rest, `\r\n`, "\r\n")
			case "view":
				seen = describeView(strings.TrimPrefix(rest, "from "), nodes, slots)
				nodes, slots = "", ""
			default:
				t.Fatalf("what is %q?", line)
			}
			return seen
		}
	})
}

// playAll plays the scripts of a folder in testdata.
func playAll(t *testing.T, folder string, open func(t *testing.T) transcript.Stage) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := transcript.Play(string(want), open(t))
			if *transcript.Update && !t.Failed() {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) && !*transcript.Update {
				t.Errorf("transcript differs; got:\n%s", got)
			}
		})
	}
}

func describeView(host, nodes, slots string) string {
	reply, _ := decodeRESP(slots)
	v, err := parseView(host, nodes, reply)
	if err != nil {
		return fmt.Sprintf("   error: %v\n", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "   from %s\n", short(v.self))
	for _, id := range slices.SortedFunc(maps.Keys(v.nodes), func(a, b string) int { return strings.Compare(v.nodes[a].address, v.nodes[b].address) }) {
		n := v.nodes[id]
		fmt.Fprintf(&b, "   %s at %s #%d", short(id), n.address, n.epoch)
		if n.guessed {
			b.WriteString(" (guessed)")
		}
		if !n.primary {
			fmt.Fprintf(&b, " replica of %s", short(n.of))
		}
		if n.failed {
			b.WriteString(" failed")
		}
		fmt.Fprintf(&b, "%s\n", describeRanges(n.slots))
	}
	return b.String()
}

// short is the beginning of an id.
func short(id string) string { return id[:min(len(id), 4)] }

func describeRanges(all []link.HashRange) (text string) {
	for _, r := range all {
		text += fmt.Sprintf(" %d-%d", r.First, r.Last)
	}
	return text
}

// decodeRESP reads one value as the library would.
func decodeRESP(text string) (value any, rest string) {
	if text == "" {
		return nil, ""
	}
	line, rest, _ := strings.Cut(text[1:], "\r\n")
	n, _ := strconv.Atoi(line)
	switch text[0] {
	case ':':
		return int64(n), rest
	case '$':
		if n < 0 {
			return nil, rest
		}
		return rest[:n], rest[n+2:]
	case '*':
		all := []any{}
		for range n {
			var one any
			one, rest = decodeRESP(rest)
			all = append(all, one)
		}
		return all, rest
	}
	return line, rest
}

// Every prefix of what a node says is read or refused; nothing panics.
func TestViewPrefixes(t *testing.T) {
	files, _ := filepath.Glob("testdata/view/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var nodes, slots string
		for line := range strings.Lines(string(text)) {
			if node, ok := strings.CutPrefix(line, "> node "); ok {
				nodes += node
			} else if s, ok := strings.CutPrefix(line, "> slots "); ok {
				slots = strings.ReplaceAll(strings.TrimSpace(s), `\r\n`, "\r\n")
				break
			}
		}
		reply, _ := decodeRESP(slots)
		for n := range nodes {
			parseView("h", nodes[:n], reply)
		}
		mutilate(reply, func() { parseView("h", nodes, reply) })
	}
}

// mutilate calls do with each part of a reply missing or of another kind.
func mutilate(reply any, do func()) {
	all, _ := reply.([]any)
	for i, part := range all {
		mutilate(part, do)
		for _, other := range []any{nil, int64(-1), int64(1 << 40), "", "x", []any{}, []any{nil, nil, nil, nil}} {
			all[i] = other
			do()
		}
		all[i] = part
	}
}
