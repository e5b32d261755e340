// What released builds have written: files that are never changed. Every later build reads them.

package link

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/transcript"
)

// release makes, with -release NAME, the files of a new release. Those that are there stay.
var release = flag.String("release", "", "the release to write examples of, as DATE or DATE-COMMIT")

// kinds are the messages with what their bodies are read into; nil: they have none, or one that is not JSON.
var kinds = map[string]struct {
	kind Kind
	body any
}{
	"ready": {1, ReadyBody{}}, "log": {2, nil}, "drained": {3, nil}, "drain": {4, nil}, "verbosity": {5, nil}, "serve": {6, nil},
	"peer": {7, PeerBody{}}, "give": {8, MoveClientsBody{}}, "resume": {9, nil}, "settle": {10, nil}, "finish": {11, FinishBody{}},
	"listen": {12, ListenBody{}}, "given": {13, ClientsMovedBody{}}, "peer-failed": {14, PeerFailedBody{}}, "quit": {15, nil}, "ping": {16, nil},
	"lend": {17, nil}, "relocated": {25, nil}, "lent": {18, LentBody{}}, "leaving": {19, nil}, "orphan": {20, OrphanBody{}}, "unlisten": {21, ListenBody{}},
	"inquire": {22, nil}, "removed": {23, RemovedBody{}}, "joined": {24, PeerBody{}},
	"question": {26, QuestionBody{}}, "answer": {27, AnswerBody{}}, "stale": {28, StaleBody{}}, "switched": {29, nil}, "announce": {30, AnnounceBody{}},
}

func TestReleased(t *testing.T) {
	if *release != "" {
		writeRelease(t, filepath.Join("testdata", *release))
	}
	dirs, err := filepath.Glob("testdata/20*")
	if err != nil || len(dirs) < 2 {
		t.Fatalf("%d releases, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			readSpec(t, read(t, dir, "spec.json"))
			readShared(t, string(read(t, dir, "shared.txt")))
			messages, err := fs.Glob(os.DirFS(dir), "*.message")
			if err != nil || len(messages) < 14 {
				t.Fatalf("%d messages, %v", len(messages), err)
			}
			for _, name := range messages {
				readMessage(t, strings.TrimSuffix(name, ".message"), read(t, dir, name))
			}
		})
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readSpec(t *testing.T, text []byte) {
	t.Helper()
	s, err := ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	checkKept(t, "the specification", text, s.Text())
}

func readMessage(t *testing.T, name string, wire []byte) {
	t.Helper()
	want, ok := kinds[name]
	m, err := ParseMessage(wire)
	switch {
	case !ok || err != nil || m.Kind != want.kind:
		t.Errorf("%s is read as kind %d, %v", name, m.Kind, err)
	case name == "drain":
		if deadline, err := ParseDrain(m.Body); deadline != 10_000 || err != nil {
			t.Errorf("drain has the deadline %d, %v", deadline, err)
		}
	case want.body != nil:
		body := reflect.New(reflect.TypeOf(want.body)).Interface()
		if err := ParseBody(m, body); err != nil {
			t.Error(err)
		}
		checkKept(t, name, m.Body, Body(body))
	}
}

// checkKept tells if a field of the JSON text before is another one after, or none: its name or its type was changed.
func checkKept(t *testing.T, what string, before, after []byte) {
	t.Helper()
	var b, a any
	if err := json.Unmarshal(before, &b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(after, &a); err != nil {
		t.Fatal(err)
	}
	if path := transcript.LostField(b, a); path != "" {
		t.Errorf("%s: the field%s is not what it was\n%s\n%s", what, path, before, after)
	}
}

// readShared reads lines "bytes SIZE", "word INDEX VALUE" and, of what they are, "NAME SLOT POOL SERVER VALUE".
func readShared(t *testing.T, text string) {
	t.Helper()
	var mem []byte
	var s *Shared
	for line := range strings.Lines(text) {
		var n, slot, pool, server int
		var value uint64
		var name string
		if _, err := fmt.Sscanf(line, "bytes %d", &n); err == nil {
			mem = newMemory(n)
		} else if _, err := fmt.Sscanf(line, "word %d %d", &n, &value); err == nil {
			wordsOf(mem)[n] = value
		} else if _, err := fmt.Sscanf(line, "%s %d %d %d %d", &name, &slot, &pool, &server, &value); err == nil {
			if s == nil {
				if s, err = ReopenShared(mem, []int{2, 1}, 2); err != nil {
					t.Fatal(err)
				}
			}
			if word := s.named(name, slot, pool, server); word == nil || *word != value {
				t.Errorf("%s of slot %d, pool %d, server %d is not %d", name, slot, pool, server, value)
			}
		} else {
			t.Fatalf("unknown line %q", line)
		}
	}
}

// named returns the word that has a name; nil: none.
func (s *Shared) named(name string, slot, pool, server int) *uint64 {
	if bucket, ok := strings.CutPrefix(name, "latency_us/"); ok {
		return s.at(s.dir.find(ofLatency, bucket), slot, pool, server)
	}
	for _, of := range []string{ofWorker, ofPool, ofServer} {
		if p := s.dir.find(of, name); p.block != nil {
			return s.at(p, slot, pool, server)
		}
	}
	return nil
}

func writeRelease(t *testing.T, dir string) {
	t.Helper()
	write := func(name string, b []byte) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			_, err = f.Write(b)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var n filler
	var spec Spec
	n.fill(reflect.ValueOf(&spec).Elem(), "")
	spec.Pools[0].Seeds = nil // else its servers would be places, which nobody writes
	write("spec.json", spec.Text())
	for name, k := range kinds {
		m := Message{Kind: k.kind}
		switch {
		case name == "drain":
			m.Body = DrainBody(10_000)
		case name == "log":
			m.Body = []byte("\x04hello")
		case name == "verbosity":
			m.Body = []byte{11}
		case k.body != nil:
			body := reflect.New(reflect.TypeOf(k.body))
			n.fill(body.Elem(), "")
			m.Body = Body(body.Interface())
		}
		write(name+".message", AppendMessage(nil, m))
	}
	write("shared.txt", []byte(n.shared(t)))
}

// filler gives every field and every word a value of its own.
type filler int

func (n *filler) fill(v reflect.Value, path string) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Name != "Critical" {
				n.fill(v.Field(i), path+"."+field.Name)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		n.fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			n.fill(v.Index(i), path)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Uint16:
		v.SetUint(uint64(*n) % 65536)
	case reflect.Uint8:
		v.SetUint(uint64(*n) % 256)
	default:
		panic("a contract has a " + v.Kind().String())
	}
}

// shared returns memory of this build as readShared reads it. The directory goes along as it is.
func (n *filler) shared(t *testing.T) string {
	var names, words strings.Builder
	s := openShared(t, []int{2, 1}, 2)
	for i := range s.dir.Blocks {
		b := &s.dir.Blocks[i]
		for column, name := range b.Words {
			for slot := range max(1, b.Slots) {
				for pool, servers := range s.dir.Servers {
					for server := range servers {
						word := s.at(place{b, column}, slot, pool, server)
						if b.Of == ofWorker && pool+server > 0 || b.Of == ofPool && server > 0 || b.Of == ofLatency && column%50 > 0 {
							continue
						}
						*n++
						*word = uint64(*n)
						if b.Of == ofLatency {
							name.Name = ofLatency + "/" + b.Words[column].Name
						}
						fmt.Fprintf(&names, "%s %d %d %d %d\n", name.Name, slot, pool, server, *n)
					}
				}
			}
		}
	}
	fmt.Fprintf(&words, "bytes %d\n", len(s.words)*wordBytes)
	for i, word := range s.words {
		if word != 0 {
			fmt.Fprintf(&words, "word %d %d\n", i, word)
		}
	}
	return words.String() + names.String()
}

// FuzzParseSpec has whatever is read be written and read alike.
func FuzzParseSpec(f *testing.F) {
	files, _ := filepath.Glob("testdata/20*/spec.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"Critical":["Pools.Servers.Weight","Topology.pools.servers.endpoints.role"]}`))
	f.Add([]byte(`{"Critical":["Tomorrow"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSpec(text)
		if err != nil {
			return
		}
		for _, path := range s.Critical {
			if !KnowsField(reflect.TypeFor[Spec](), path) {
				t.Fatalf("%q is critical, and not known", path)
			}
		}
		for i := range s.Topology.Pools {
			s.Topology.Replace(s.Topology.Pools[i])
			for _, server := range s.Topology.Pools[i].Servers {
				s.Topology.Pools[i].Primary(server.Server)
			}
		}
		own := s.Text()
		again, err := ParseSpec(own)
		if err != nil || string(again.Text()) != string(own) {
			t.Fatalf("%s is read again as %s, %v", own, again.Text(), err)
		}
	})
}
