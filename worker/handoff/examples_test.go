// What released versions have written: examples of every message and of the states of clients, as files. Later versions
// read them all, so a file is never changed; new ones are added.

package handoff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/transcript"
)

// messages are the examples of version 1.
var messages = map[string]Message{
	"hello":         {Kind: Hello, Version: 1, Min: 1, Max: 1, Build: "1.2.3"},
	"hello-refuses": {Kind: Hello, Version: 1, Min: 1, Max: 1, Build: "1.2.4", Refuses: true},
	"hello-wide":    {Kind: Hello, Version: 7, Min: 3, Max: 7},
	"offer":         {Kind: Offer, Version: 1, Batch: 1, Count: 252},
	"prepared": {
		Kind: Prepared, Version: 1, Batch: 1 << 31, Verdicts: []Verdict{Accept, Configuration, Unreadable, NoResources, Refused, Accept},
	},
	"commit": {Kind: Commit, Version: 1, Batch: 2},
	"taken":  {Kind: Taken, Version: 1, Batch: 3, Pause: 1500 * time.Microsecond},
	"abort":  {Kind: Abort, Version: 1, Batch: 4, Reason: "roll-back"},
}

// records are the clients of the one example of a state.
var records = []Record{
	{Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121"},
	{
		Protocol: "redis", Pool: "alpha", Network: "tcp", Address: "[2001:db8::1]:22121", Authenticated: true,
		Input: []byte("*2\r\n$3\r\nGET\r\n$1"), Output: [][]byte{[]byte("$5\r\nhel"), nil, []byte("lo\r\n")},
		Name: "cron", LibName: "go-redis", LibVersion: "9.0.0", ID: 1<<33 + 5, IdleMillis: 1234, FrozenAt: 1 << 40,
	},
	{Protocol: "memcache", Pool: "beta", Network: "unix", Address: "/run/pinion/beta.sock", Skip: 1 << 20, ID: 7},
}

// sessions are clients of which there is more to say than of those, each in a file of its own.
var sessions = map[string]Record{
	"resp3": {Protocol: "redis", Pool: "alpha", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, RESP: 3, ID: 9},
	"db":    {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, HasDB: true, DB: 11},
	"db-0":  {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, HasDB: true},
	"tracking": {
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, RESP: 3, Caching: true,
		Tracking: []byte("*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nOPTIN\r\n"),
	},
	"reply-off":  {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Reply: ReplyOff},
	"binary":     {Protocol: "memcache", Network: "tcp", Address: "127.0.0.1:22121", Dialect: DialectBinary, Input: []byte{0x80}},
	"reply-skip": {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Reply: ReplySkip},
	"transaction": {
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Input: []byte("*1\r\n$4\r\nEX"),
		Transaction: &Transaction{Count: 2, Queued: [][]byte{[]byte("*1\r\n$4\r\nPING\r\n"), nil, []byte("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")}},
	},
	"transaction-empty": {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Transaction: &Transaction{}},
	"watch": {
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Connections: 1,
		Watch: &Watch{Keys: 2, Placement: 0x0123456789abcdef},
	},
	"watch-lost":          {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Watch: &Watch{Lost: true, Refused: true, Keys: 1}},
	"transaction-aborted": {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Name: "cron", Transaction: &Transaction{Aborted: true}},
	"waiting":             {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Input: []byte("PING\r\n"), Connections: 1},
	"waiting-connection": {
		Protocol: "redis", Network: "tcp", Address: "10.0.0.1:6379", HasDB: true, DB: 3, Input: []byte("*2\r\n$1\r\nk\r\n$1"),
		Purposes: 1, Server: "redis1", Waiting: "blpop", Key: "k",
	},
	"waiting-patiently": {
		Protocol: "redis", Network: "tcp", Address: "10.0.0.1:6379", HasDB: true,
		Purposes: 1, Server: "redis1", Waiting: "blpop", Key: "k", Patience: 4999,
	},
	"waiting-numbered": {
		Protocol: "redis", Network: "tcp", Address: "10.0.0.1:6379", HasDB: true,
		Purposes: 1, Server: "redis1", Waiting: "blpop", Key: "k", Number: 70_000,
	},
	"waiting-request": {
		Protocol: "redis", Network: "tcp", Address: "10.0.0.1:6379", HasDB: true,
		Purposes: 1, Server: "redis1", Waiting: "blpop", Key: "k", Request: []byte("*4\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\nl\r\n$1\r\n0\r\n"),
	},
	"waiting-encrypted": { // in TLS 1.3 with AES-128-GCM; a KeyUpdate is owed, and the beginning of a record has come
		Protocol: "redis", Network: "tcp", Address: "10.0.0.1:6380", HasDB: true, Purposes: 1, Server: "redis1", Waiting: "blpop", Key: "k",
		Input: []byte("*2\r\n$1"), TLS: tlsState, TLSInput: []byte("\x17\x03\x03\x00\x20abc"), TLSOutput: [][]byte{[]byte("\x17\x03\x03\x00\x17"), make([]byte, 23)},
	},
	"encrypted": {
		Protocol: "redis", Pool: "alpha", Network: "tcp", Address: "127.0.0.1:22122", Authenticated: true, TLS: tlsState, TLSUser: "alice",
		Verified: VerifiedCertificate, Input: []byte("*1\r\n$4\r\nPI"), TLSInput: []byte("\x17\x03\x03\x00\x20abc"), Output: [][]byte{[]byte("+OK\r\n")},
	},
	"encrypted-soon": {Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22122", Authenticated: true, TLS: []byte{0}, TLSInput: []byte("\x16\x03\x01\x02")},
	"monitor": {
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Connections: 1, Monitoring: Monitors,
	},
	"monitor-connection": {
		Protocol: "redis", Network: "unix", Address: "/run/redis.sock", HasDB: true, Purposes: 16, Server: "redis1", Input: []byte("+17"),
	},
	"user": {Protocol: "redis", Pool: "alpha", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, User: "app"},
	"asked": {
		Protocol: "redis", Pool: "alpha", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, User: "app", Rules: "~app:* &* +@all -@dangerous",
		Subscriptions: []Subscription{{0, "news"}},
	},
	"subscriber": {
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", Authenticated: true, Connections: 2,
		Subscriptions: []Subscription{{0, "news"}, {2, ""}},
	},
	"subscriber-connection": {
		Protocol: "redis", Network: "unix", Address: "/run/redis.sock", HasDB: true, RESP: 3, Purposes: 2, Server: "redis1",
		Subscriptions: []Subscription{{1, "news.*"}, {0, "weather"}, {2, "shard"}},
	},
}

// tlsState is a state as tlsrec writes it, with 5 records received and 9 sent.
var tlsState = append([]byte{1, 3, 3, 4, 0x13, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("secret.."), 8)...)

// joined is r as it is read: the output is one piece, and so are the requests of a transaction.
func joined(r Record) Record {
	if r.Output != nil {
		r.Output = [][]byte{bytes.Join(r.Output, nil)}
	}
	if r.TLSOutput != nil {
		r.TLSOutput = [][]byte{bytes.Join(r.TLSOutput, nil)}
	}
	if r.Transaction != nil && r.Transaction.Queued != nil {
		t := *r.Transaction
		t.Queued = [][]byte{bytes.Join(t.Queued, nil)}
		r.Transaction = &t
	}
	return r
}

func encode(records []Record) []byte {
	var s State
	for i := range records {
		s.Add(&records[i])
	}
	b := bytes.Join(s.Parts(), nil)
	if len(b) != s.Bytes() {
		panic("a state does not count its bytes")
	}
	return b
}

// example returns what a file holds; with -update one that is not there yet is made of b.
func example(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if _, err := os.Stat(path); *transcript.Update && errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestExamples(t *testing.T) {
	for name, want := range messages {
		b := example(t, "v1/"+name+".message", AppendMessage(nil, want))
		if got, err := ParseMessage(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v", name, got, err)
		}
		if !bytes.Equal(b, AppendMessage(nil, want)) {
			t.Errorf("%s is written differently now: %q", name, AppendMessage(nil, want))
		}
	}
	b := example(t, "v1/clients.state", encode(records))
	got, errs, err := ParseState(b, len(records))
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if want := joined(records[i]); errs[i] != nil || !reflect.DeepEqual(got[i], want) {
			t.Errorf("client %d is read as %+v, %v", i, got[i], errs[i])
		}
	}
	if !bytes.Equal(b, encode(records)) {
		t.Errorf("the state is written differently now: %q", encode(records))
	}
}

func TestSessionExamples(t *testing.T) {
	for name, want := range sessions {
		b := example(t, "v1/session-"+name+".state", encode([]Record{want}))
		got, errs, err := ParseState(b, 1)
		if err != nil || errs[0] != nil || !reflect.DeepEqual(got[0], joined(want)) {
			t.Errorf("%s is read as %+v, %v, %v", name, got, errs, err)
		}
		if !bytes.Equal(b, encode([]Record{want})) {
			t.Errorf("%s is written differently now: %q", name, encode([]Record{want}))
		}
	}
}

// Every prefix of a message, and every other length in its header, is none.
func TestCutMessages(t *testing.T) {
	for name, m := range messages {
		b := AppendMessage(nil, m)
		for n := range b {
			if got, err := ParseMessage(b[:n]); err == nil {
				t.Errorf("%d bytes of %s are read as %+v", n, name, got)
			}
		}
		for n := headerBytes; n < len(b); n++ {
			cut := bytes.Clone(b[:n])
			cut[12] = byte(n - headerBytes)
			cut[13] = byte((n - headerBytes) >> 8)
			got, err := ParseMessage(cut)
			if err == nil && !bytes.Equal(AppendMessage(nil, got), cut) && (m.Kind != Abort && m.Kind != Taken && m.Kind != Hello) {
				t.Errorf("%d bytes of %s are read as %+v", n, name, got)
			}
		}
		if len(b) > MaxMessageBytes {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	long := Message{Kind: Prepared, Verdicts: make([]Verdict, MaxBatch)}
	if n := len(AppendMessage(nil, long)); n > MaxMessageBytes {
		t.Errorf("PREPARED may have %d bytes", n)
	}
	long = Message{Kind: Hello, Build: string(make([]byte, 1<<16))}
	if n := len(AppendMessage(nil, long)); n > MaxMessageBytes {
		t.Errorf("HELLO may have %d bytes", n)
	}
}

// message returns the wire form of a message with this body.
func message(kind Kind, body []byte) []byte {
	b := AppendMessage(nil, Message{Kind: Commit, Version: 1})
	b[2], b[12], b[13] = byte(kind), byte(len(body)), byte(len(body)>>8)
	return append(b, body...)
}

// What is not known is skipped if it may be; what is critical is not.
func TestUnknownFields(t *testing.T) {
	field := func(t tag, value string) []byte { return append(appendField(nil, t, len(value)), value...) }
	for _, test := range []struct {
		kind Kind
		body []byte
		err  error
	}{
		{Commit, field(60, "x"), nil},
		{Commit, field(300, ""), nil},
		{Commit, append(field(300, "a"), field(300, "b")...), nil},
		{Commit, field(60|critical, "x"), ErrUnknown},
		{Commit, field(300|critical, "x"), ErrUnknown},
		{Commit, field(tagCount, "1234"), ErrUnknown},
		{Commit, append(field(60, "x"), field(60, "x")...), errTwice},
		{Offer, nil, errMissing},
		{Offer, field(tagCount, "123"), errLength},
		{Offer, field(tagCount, "12345"), errLength},
		{Hello, field(tagMin, "12"), errMissing},
		{Hello, field(tagMin, "1"), errLength},
		{Taken, nil, nil},
		{Taken, field(tagPause, "1"), errLength},
		{Prepared, nil, errMissing},
		{Commit, []byte("12345"), errCut},
		{Commit, appendField(nil, 60, 1), errCut},
		{99, nil, nil},
	} {
		if got, err := ParseMessage(message(test.kind, test.body)); !errors.Is(err, test.err) {
			t.Errorf("%v with %q is read as %+v, %v, want %v", test.kind, test.body, got, err, test.err)
		}
	}
}

// A client that a later version says more of is taken, unless it says something critical.
func TestUnknownOfRecord(t *testing.T) {
	plain := encode(records[:1])
	with := func(fields ...[]byte) []byte {
		b := bytes.Join(append([][]byte{plain}, fields...), nil)
		b[0] = byte(len(b) - 4)
		return b
	}
	head := func(name string, length int) []byte { return appendField(nil, fieldNamed(t, name).tag, length) }
	flags := func(n byte) []byte { return append(head("flags", 4), n, 0, 0, 0) }
	withoutFlags := func(n byte) []byte {
		return append(bytes.Clone(plain[:bytes.Index(plain, flags(0))]), flags(n)...)
	}
	withoutFlags(0)
	for _, test := range []struct {
		state []byte
		err   error
	}{
		{with(), nil},
		{with(appendField(nil, 40, 0)), nil},
		{with(appendField(nil, 1000, 0)), nil},
		{with(appendField(nil, 40|critical, 0)), ErrUnknown},
		{with(appendField(nil, 1000|critical, 0)), ErrUnknown},
		{with(head("version of RESP", 4), []byte{3, 0, 0, 0}), nil},
		{with(head("version of RESP", 4), []byte{4, 0, 0, 0}), ErrUnknown},
		{with(head("version of RESP", 1), []byte{3}), errLength},
		{with(head("CLIENT REPLY", 4), []byte{1, 0, 0, 0}), nil},
		{with(head("CLIENT REPLY", 4), []byte{3, 0, 0, 0}), ErrUnknown},
		{with(head("database", 4), []byte{1, 0, 0, 0}), nil},
		{with(head("database", 8), []byte{1, 0, 0, 0, 0, 0, 0, 0}), errLength},
		{with(head("connections", 4), []byte{1, 0, 0, 0}), nil},
		{with(head("connections", 3), []byte{1, 0, 0}), errLength},
		{with(head("watch", 16), append([]byte{4}, make([]byte, 15)...)), ErrUnknown},
		{with(head("watch", 8), make([]byte, 8)), errLength},
		{with(head("MONITOR", 4), []byte{2, 0, 0, 0}), ErrUnknown},
		{with(head("patience", 4), make([]byte, 4)), errLength},
		{with(head("transaction", 7), make([]byte, 7)), errLength},
		{with(head("transaction", 8), []byte{2, 0, 0, 0, 0, 0, 0, 0}), ErrUnknown},
		{with(head("transaction", 9), []byte{1, 0, 0, 0, 7, 0, 0, 0, '*'}), nil},
		{with(head("subscriptions", 6), []byte{2, 1, 0, 0, 0, 'a'}), nil},
		{with(head("subscriptions", 6), []byte{3, 1, 0, 0, 0, 'a'}), ErrUnknown},
		{with(head("subscriptions", 6), []byte{2, 2, 0, 0, 0, 'a'}), errCut},
		{with(head("subscriptions", 4), []byte{2, 1, 0, 0}), errCut},
		{with(flags(0)), errTwice},
		{with(head("bytes to skip", 1), []byte{1}), errLength},
		{with(head("id", 0)), errLength},
		{with(appendField(nil, 40, 1)), errCut},
		{fixed(withoutFlags(1)), nil},
		{fixed(withoutFlags(2)), ErrUnknown},
		{fixed(plain[:4]), errMissing},
	} {
		_, errs, err := ParseState(test.state, 1)
		if err != nil || !errors.Is(errs[0], test.err) {
			t.Errorf("%q: %v, %v, want %v", test.state, err, errs, test.err)
		}
	}
}

// fieldNamed returns the row of a field.
func fieldNamed(t *testing.T, name string) *recordField {
	t.Helper()
	for i := range recordFields {
		if row := &recordFields[i]; row.name == name {
			return row
		}
	}
	t.Fatalf("no field is called %q", name)
	return nil
}

// Each field has a number of its own, and is in an example that later versions read.
func TestFieldsHaveExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/v1/*.state")
	if err != nil {
		t.Fatal(err)
	}
	var seen tagSet
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			end := 4 + binary.LittleEndian.Uint32(b)
			if err := eachField(b[4:end], func(t tag, _ []byte) error { seen |= t.bit(); return nil }); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			b = b[end:]
		}
	}
	for i := range recordFields {
		row := &recordFields[i]
		if fieldsByNumber[row.tag&^critical] != row {
			t.Errorf("%s has the number of %s", row.name, fieldsByNumber[row.tag&^critical].name)
		}
		if seen&row.tag.bit() == 0 {
			t.Errorf("%s is in no example", row.name)
		}
	}
}

// A name that is longer than what is bounded today, from a build that took any, is left out, and nothing else.
func TestLongNames(t *testing.T) {
	long := Record{
		Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", ID: 5, Name: string(make([]byte, MaxNameBytes+1)),
		LibName: string(make([]byte, MaxNameBytes)), LibVersion: string(make([]byte, 30<<20)),
	}
	want := long
	want.Name, want.LibVersion = "", ""
	got, errs, err := ParseState(encode([]Record{long}), 1)
	if err != nil || errs[0] != nil || !reflect.DeepEqual(got[0], want) {
		t.Errorf("it is read with names of %d, %d and %d bytes, %v, %v", len(got[0].Name), len(got[0].LibName), len(got[0].LibVersion), errs, err)
	}
}

// fixed sets the length of a state's only record.
func fixed(b []byte) []byte {
	b = bytes.Clone(b)
	b[0] = byte(len(b) - 4)
	return b
}

// A state that is cut short, or has more or fewer records than announced, is of no use.
func TestCutState(t *testing.T) {
	b := encode(records)
	for n := range b {
		if _, _, err := ParseState(b[:n], len(records)); err == nil {
			t.Errorf("%d of %d bytes are read", n, len(b))
		}
	}
	for _, count := range []int{-1, 0, 1, 2, 4, 1 << 40} {
		if _, _, err := ParseState(b, count); err == nil {
			t.Errorf("as %d records it can be read", count)
		}
	}
	if _, _, err := ParseState(nil, 0); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// Bytes of clients are not copied, however many there are.
func TestStateCopiesNothing(t *testing.T) {
	input, output := bytes.Repeat([]byte("i"), 1000), bytes.Repeat([]byte("o"), 1000)
	var s State
	for range 500 {
		s.Add(&Record{Protocol: "redis", Network: "tcp", Address: "a", Name: "n", Input: input, Output: [][]byte{output, output}})
	}
	inputs, outputs := 0, 0
	for _, part := range s.Parts() {
		switch &part[0] {
		case &input[0]:
			inputs++
		case &output[0]:
			outputs++
		}
	}
	if inputs != 500 || outputs != 1000 {
		t.Errorf("%d inputs and %d outputs are not copied", inputs, outputs)
	}
	got, errs, err := ParseState(bytes.Join(s.Parts(), nil), 500)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if errs[i] != nil || len(got[i].Input) != 1000 || len(got[i].Output[0]) != 2000 || got[i].Name != "n" {
			t.Fatalf("client %d: %v", i, errs[i])
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, m := range messages {
		f.Add(AppendMessage(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		again, err := ParseMessage(AppendMessage(nil, m))
		if len(m.Build) > maxTextBytes || len(m.Reason) > maxTextBytes { // as no sender writes them
			return
		}
		if err != nil || !reflect.DeepEqual(again, m) && len(m.Verdicts)+len(again.Verdicts) > 0 {
			t.Fatalf("%q is read as %+v, and that as %+v, %v", b, m, again, err)
		}
	})
}

func FuzzParseState(f *testing.F) {
	f.Add(encode(records), len(records))
	f.Add(encode(records[1:2]), 1)
	for _, r := range sessions {
		f.Add(encode([]Record{r}), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, count int) {
		got, errs, err := ParseState(b, count)
		if err != nil {
			return
		}
		size := 0
		for i := range got {
			size += len(got[i].Input) + len(joined(got[i]).Address)
			if errs[i] != nil {
				continue
			}
			again, errs, err := ParseState(encode(got[i:i+1]), 1)
			if err != nil || errs[0] != nil {
				t.Fatalf("%+v cannot be read again: %v, %v", got[i], err, errs)
			}
			if want := got[i]; !reflect.DeepEqual(again[0].Transaction, want.Transaction) || again[0].Address != want.Address || !bytes.Equal(again[0].Input, want.Input) ||
				again[0].ID != want.ID || again[0].Skip != want.Skip || again[0].Authenticated != want.Authenticated {
				t.Fatalf("%+v is read again as %+v", want, again[0])
			}
		}
		if len(got) != count || size > len(b) {
			t.Fatalf("%d bytes are read as %d records of %d bytes", len(b), len(got), size)
		}
	})
}

// A client's age is optional: builds that do not know it skip it.
func TestExampleOfAge(t *testing.T) {
	old := Record{Protocol: "redis", Network: "tcp", Address: "127.0.0.1:22121", IdleMillis: 5, AgeMillis: 1 << 40}
	b := example(t, "v1/age.state", encode([]Record{old}))
	got, errs, err := ParseState(b, 1)
	if err != nil || errs[0] != nil || !reflect.DeepEqual(got[0], old) {
		t.Errorf("read as %+v, %v, %v", got, errs, err)
	}
	if !bytes.Equal(b, encode([]Record{old})) {
		t.Errorf("the state is written differently now")
	}
}
