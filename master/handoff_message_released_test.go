// What released masters have said to each other: files that are never changed. Every later master reads them.

package master

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/transcript"
)

// release makes, with -release NAME, the files of a new release. Those that are there stay.
var release = flag.String("release", "", "the release to write examples of, as DATE or DATE-COMMIT")

// messageKinds are all that there are.
var messageKinds = []messageKind{
	messageHello, messageWelcome, messageSockets, messagePrepared, messageCounters, messagePeer, messageGo, messageAgain, messageSuspect, messageMoved, messageSettled, messageAgreed,
	messageWorker, messageFarewell, messageFailed, messageAbort, messageReturned, messageIntent, messageTopology,
}

func TestReleasedWords(t *testing.T) {
	if *release != "" {
		writeWords(t, filepath.Join("testdata", "words", *release))
	}
	files, err := filepath.Glob("testdata/words/20*/*.json")
	if err != nil || len(files) < 18+20 {
		t.Fatalf("%d words, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := parseMessage(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if !slices.Contains(messageKinds, msg.Kind) || name != "all" && name != string(msg.Kind) {
			t.Errorf("%s is read as %q", file, msg.Kind)
		}
		again, err := appendMessage(nil, msg)
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &after); err != nil {
			t.Fatal(err)
		}
		if path := transcript.LostField(before, after); path != "" {
			t.Errorf("%s: the field%s is not what it was\n%s\n%s", file, path, text, again)
		}
	}
}

// A word that insists on a field is refused by whoever does not have it, and by nobody else.
func TestCriticalWords(t *testing.T) {
	for field, known := range map[string]bool{
		"strict": true, "past": true, "found": true, "pools.Servers.Weight": true, "tomorrow": false, "fds": false, "pools.Tomorrow": false, "Strict": false,
	} {
		_, err := parseMessage(fmt.Appendf(nil, `{"kind":"go","critical":[%q]}`, field))
		if (err == nil) != known {
			t.Errorf("with %q: %v", field, err)
		}
	}
}

func FuzzParseWord(f *testing.F) {
	files, _ := filepath.Glob("testdata/words/20*/*.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		msg, err := parseMessage(text)
		if err != nil {
			return
		}
		own, err := appendMessage(nil, msg)
		if err != nil {
			return // a time beyond the year 9999
		}
		again, err := parseMessage(own)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", own, err)
		}
		if twice, err := appendMessage(nil, again); err != nil || string(twice) != string(own) {
			t.Fatalf("%s is read and written as %s, %v", own, twice, err)
		}
	})
}

func writeWords(t *testing.T, dir string) {
	t.Helper()
	write := func(name string, msg message) {
		text, err := appendMessage(nil, msg)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, name+".json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			_, err = f.Write(text)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, kind := range messageKinds {
		write(string(kind), message{Kind: kind})
	}
	all := message{Kind: messageHello}
	number := 0
	fill(reflect.ValueOf(&all).Elem(), &number, "")
	all.Kind = messageHello
	write("all", all)
}

// fill gives every exported field a value of its own.
func fill(v reflect.Value, number *int, path string) {
	*number++
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 1, 2, 3, *number, time.UTC)))
		return
	case reflect.TypeFor[totals.Addresses]():
		v.Set(reflect.ValueOf(totals.Addresses{"redis.test": netip.MustParseAddr("10.0.0.1")}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Critical" {
				fill(v.Field(i), number, path+"."+f.Name)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), number, path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), number, path)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element, number, path)
		v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key ", *number)).Convert(v.Type().Key()), element)
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, *number))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*number) * int64(time.Millisecond))
	case reflect.Uint64:
		v.SetUint(uint64(*number))
	case reflect.Uint16:
		v.SetUint(uint64(*number) % 65536)
	default:
		panic("a word has a " + v.Kind().String())
	}
}
