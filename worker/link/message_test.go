// Messages on the wire: as they were written, or not at all.

package link

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// messages are examples with their wire form.
var messages = []struct {
	message Message
	wire    string
}{
	{Message{Kind: Ready}, "PK\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	{Message{Log, []byte("\x04hello")}, "PK\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x06\x00\x00\x00\x04hello"},
	{Message{Kind: Drained}, "PK\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	{
		Message{Drain, DrainBody(1000)},
		"PK\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x08\x00\x00\x00\xe8\x03\x00\x00\x00\x00\x00\x00",
	},
	{Message{Verbosity, []byte{11}}, "PK\x05\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0b"},
	{
		Message{Removed, Body(RemovedBody{Pools: []int{1, 3}})},
		"PK\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x0f\x00\x00\x00{\"pools\":[1,3]}",
	},
	{Message{Kind: 0xffff}, "PK\xff\xff\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
}

func TestMessages(t *testing.T) {
	for _, test := range messages {
		wire := AppendMessage([]byte("before"), test.message)
		if want := "before" + test.wire; string(wire) != want {
			t.Errorf("kind %d is written as %q, want %q", test.message.Kind, wire, want)
		}
		wire = []byte(test.wire)
		got, err := ParseMessage(wire)
		if err != nil || got.Kind != test.message.Kind || !bytes.Equal(got.Body, test.message.Body) {
			t.Errorf("%q is read as %v, %v", wire, got, err)
		}
		for n := range wire {
			if got, err := ParseMessage(wire[:n]); err == nil {
				t.Errorf("the first %d bytes of %q are read as %v", n, wire, got)
			}
		}
		if got, err := ParseMessage(append(wire, 0)); err == nil {
			t.Errorf("%q and one byte more is read as %v", wire, got)
		}
		for bit := range 16 {
			wire := []byte(test.wire)
			wire[bit/8] ^= 1 << (bit % 8)
			if got, err := ParseMessage(wire); err == nil || !strings.Contains(err.Error(), "unknown magic") {
				t.Errorf("%q is read as %v, %v", wire, got, err)
			}
		}
	}
}

// A body that does not fit is cut, since half a log line is better than none.
func TestLongBody(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 2*MaxMessageBytes)
	const most = MaxMessageBytes - headerBytes
	for _, size := range []int{most - 1, most, most + 1, MaxMessageBytes, len(body)} {
		wire := AppendMessage(nil, Message{Log, body[:size]})
		if len(wire) > MaxMessageBytes {
			t.Errorf("a body of %d bytes makes a message of %d", size, len(wire))
		}
		want := body[:min(size, most)]
		if got, err := ParseMessage(wire); err != nil || !bytes.Equal(got.Body, want) {
			t.Errorf("a body of %d bytes is read as %d, %v", size, len(got.Body), err)
		}
	}
}

func TestDrainBody(t *testing.T) {
	for _, millis := range []uint64{0, 1, 10_000, 1<<64 - 1} {
		if got, err := ParseDrain(DrainBody(millis)); got != millis || err != nil {
			t.Errorf("%d is read as %d, %v", millis, got, err)
		}
	}
	for _, size := range []int{0, 7, 9} {
		if got, err := ParseDrain(make([]byte, size)); err == nil {
			t.Errorf("%d bytes are read as %d", size, got)
		}
	}
}

// FuzzParseMessage has a second look at the header, field by field.
func FuzzParseMessage(f *testing.F) {
	for _, test := range messages {
		f.Add([]byte(test.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseMessage(b)
		var header struct {
			Magic, Kind, Flags, Version uint16
			Batch, Size                 uint32
		}
		n, headerErr := binary.Decode(b, binary.LittleEndian, &header)
		legal := headerErr == nil && header.Magic == 0x4b50 && int64(header.Size) == int64(len(b)-n)
		if legal != (err == nil) {
			t.Fatalf("%q: %v", b, err)
		}
		if legal && (uint16(got.Kind) != header.Kind || !bytes.Equal(got.Body, b[n:])) {
			t.Fatalf("%q is read as %v", b, got)
		}
		if legal && len(b) <= MaxMessageBytes {
			if again, err := ParseMessage(AppendMessage(nil, got)); err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("%v is written and read as %v, %v", got, again, err)
			}
		}
	})
}

// A Spec travels as JSON; nothing of it may get lost.
func TestSpecTravels(t *testing.T) {
	var spec Spec
	fill(reflect.ValueOf(&spec).Elem())
	text, err := json.Marshal(&spec)
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, spec) {
		t.Errorf("%+v arrives as %+v", spec, got)
	}
}

// fill sets every field to something that is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.String:
		v.SetString("any \"text\" é")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(90 * time.Minute))
	case reflect.Uint64:
		v.SetUint(1<<64 - 1)
	case reflect.Uint16:
		v.SetUint(1<<16 - 1)
	case reflect.Uint8:
		v.SetUint(1<<8 - 1)
	default:
		panic("a Spec has a " + v.Kind().String())
	}
}
