// The binary protocol: what requests become for a server, and what clients get of its replies.

package memcache

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// packetOf returns a packet with the opaque 0x01020304.
func packetOf(magic, opcode byte, status uint16, cas uint64, extras, key, value string) []byte {
	b := []byte{magic, opcode}
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0)
	b = binary.BigEndian.AppendUint16(b, status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = binary.BigEndian.AppendUint32(b, 0x01020304)
	b = binary.BigEndian.AppendUint64(b, cas)
	return append(b, extras+key+value...)
}

func binaryRequest(opcode byte, cas uint64, extras, key, value string) []byte {
	return packetOf(BinaryMagic, opcode, 0, cas, extras, key, value)
}

const (
	ten     = "\x00\x00\x00\x0a"
	never   = "\xff\xff\xff\xff"
	seven64 = "\x00\x00\x00\x00\x00\x00\x00\x07"
	nine64  = "\x00\x00\x00\x00\x00\x00\x00\x09"
)

// binaryRequests are requests and what a server gets of them.
var binaryRequests = []struct {
	opcode             byte
	cas                uint64
	extras, key, value string
	text               string
}{
	{0x00, 0, "", "k", "", "mg k v f c\r\n"},
	{0x00, 7, "", "k", "", "mg k v f c\r\n"},
	{0x0d, 0, "", "k", "", "mg k v f c k\r\n"},
	{0x00, 0, "", "a key\n", "", "mg YSBrZXkK b v f c\r\n"},
	{0x00, 0, "", "\x00", "", "mg AA== b v f c\r\n"},
	{0x00, 0, "", "ключ", "", "mg ключ v f c\r\n"},
	{0x01, 0, ten + ten, "k", "value", "ms k 5 c F10 T10\r\nvalue\r\n"},
	{0x01, 5, ten + never, "k", "\r\n", "ms k 2 C5 c F10 T2147483647\r\n\r\n\r\n"},
	{0x12, 0, ten + ten, "k", "", "ms k 0 ME c F10 T10\r\n\r\n"},
	{0x02, 5, ten + ten, "k", "", "ms k 0 C5 c F10 T10\r\n\r\n"},
	{0x03, 0, ten + ten, "a b", "x", "ms YSBi 1 b MR c F10 T10\r\nx\r\n"},
	{0x0e, 0, "", "k", "x", "ms k 1 MA c\r\nx\r\n"},
	{0x1a, 9, "", "k", "x", "ms k 1 C9 MP c\r\nx\r\n"},
	{0x04, 0, "", "k", "", "md k\r\n"},
	{0x14, 3, "", "k", "", "md k C3\r\n"},
	{0x05, 0, seven64 + nine64 + ten, "k", "", "ma k v c D7 J9 N10\r\n"},
	{0x16, 2, seven64 + nine64 + never, "k", "", "ma k C2 MD v c D7\r\n"},
	{0x1c, 0, ten, "k", "", "mg k f c T10\r\n"},
	{0x1d, 0, ten, "k", "", "mg k f c T10 v\r\n"},
	{0x24, 0, ten, "k", "", "mg k f c T10 v k\r\n"},
	{0x08, 0, "", "", "", "flush_all\r\n"},
	{0x18, 0, ten, "", "", "flush_all 10\r\n"},
	{0x0b, 0, "", "", "", "version\r\n"},
	{0x10, 0, "", "", "", "stats\r\n"},
	{0x10, 0, "", "detail on", "", "stats detail on\r\n"},
}

func TestBinaryRequests(t *testing.T) {
	for _, c := range binaryRequests {
		b := binaryRequest(c.opcode, c.cas, c.extras, c.key, c.value)
		for n := range b {
			if r := ConsumeBinary(b[:n:n]); n < binaryHeaderBytes && r.Size != 0 || n >= binaryHeaderBytes && r.Size != len(b) {
				t.Errorf("%#x: %d of %d bytes: size %d", c.opcode, n, len(b), r.Size)
			}
		}
		r := ConsumeBinary(append(b, "more"...))
		if r.Size != len(b) || r.Status != 0 || r.Close || r.NoOp || r.Quit || r.Form != (ReplyForm{0x01020304, c.opcode, formBinary}) {
			t.Errorf("%#x: %+v", c.opcode, r)
		}
		text, failure := r.AppendText([]byte("+"))
		if string(text) != "+"+c.text || failure != 0 {
			t.Errorf("%#x: %q, %v; want %q", c.opcode, text, failure, c.text)
		}
		checkText(t, text[1:], c.key)
	}
}

// checkText makes sure that a server may get text as it is, and that it asks for key.
func checkText(t *testing.T, text []byte, key string) {
	t.Helper()
	r, keys, n, err := ConsumeRequest(text, nil)
	if err != nil || n != len(text) || r.NoReply || r.Quiet || !r.plain && r.Cmd.shape != shapeStats {
		t.Fatalf("%q: n = %d, %+v, %v", text, n, r, err)
	}
	if r.Cmd.IsMeta() && string(r.AppendKey(nil, text, keys[0])) != key {
		t.Fatalf("%q is not for the key %q", text, key)
	}
}

func TestBinaryRequestsByTheProxy(t *testing.T) {
	long := strings.Repeat("k", MaxKeyBytes)
	for _, c := range []struct {
		b      []byte
		status BinaryStatus
		close  bool
	}{
		{binaryRequest(0x0a, 0, "", "", ""), 0, false},
		{binaryRequest(0x07, 0, "", "", ""), 0, false},
		{binaryRequest(0x20, 0, "", "", ""), StatusUnknown, false},
		{binaryRequest(0x21, 0, "", "PLAIN", "\x00user\x00password"), StatusUnknown, false},
		{binaryRequest(0x1b, 0, ten, "", ""), StatusUnknown, false},
		{binaryRequest(0xff, 0, "", "k", "x"), StatusUnknown, false},
		{binaryRequest(0x00, 0, "", long+"k", ""), StatusInvalid, true},
		{binaryRequest(0x00, 0, "", "", ""), StatusInvalid, true},
		{binaryRequest(0x00, 0, ten, "k", ""), StatusInvalid, true},
		{binaryRequest(0x00, 0, "", "k", "x"), StatusInvalid, true},
		{binaryRequest(0x01, 0, ten, "k", "x"), StatusInvalid, true},
		{binaryRequest(0x05, 0, ten, "k", ""), StatusInvalid, true},
		{binaryRequest(0x08, 0, "x", "", ""), StatusInvalid, true},
		{binaryRequest(0x0a, 0, "", "k", ""), StatusInvalid, true},
		{binaryRequest(0x10, 0, ten, "", ""), StatusInvalid, true},
		{append([]byte{BinaryMagic, 0, 0, 9}, make([]byte, 20)...), StatusUnknown, true},
	} {
		r := ConsumeBinary(c.b)
		own := r.Status != 0 || r.NoOp || r.Quit
		if r.Status != c.status || r.Close != c.close || r.Size < binaryHeaderBytes || !own {
			t.Errorf("%q: %+v", c.b, r)
		}
	}
	for _, c := range []struct {
		opcode byte
		key    string
		want   BinaryStatus
	}{
		{0x00, " " + long[:187], StatusInvalid},
		{0x10, "a\nb", statusNotFound},
		{0x10, "cachedump 1 1", statusNotFound},
	} {
		r := ConsumeBinary(binaryRequest(c.opcode, 0, "", c.key, ""))
		if _, failure := r.AppendText(nil); failure != c.want {
			t.Errorf("%#x %q: %#x, want %#x", c.opcode, c.key, failure, c.want)
		}
	}
}

func TestBinaryReplies(t *testing.T) {
	reply := func(opcode byte, status uint16, cas uint64, extras, key, value string) string {
		return string(packetOf(replyMagic, opcode, status, cas, extras, key, value))
	}
	for _, c := range []struct {
		opcode      byte
		reply, want string
	}{
		{0x00, "VA 5 f10 c7\r\nvalue\r\n", reply(0x00, 0, 7, ten, "", "value")},
		{0x09, "VA 2 f10 c7 W\r\n\r\n\r\n", reply(0x09, 0, 7, ten, "", "\r\n")},
		{0x0c, "VA 0 f10 c7 kkey\r\n\r\n", reply(0x0c, 0, 7, ten, "key", "")},
		{0x0c, "VA 0 f10 c7 kYSBi b\r\n\r\n", reply(0x0c, 0, 7, ten, "a b", "")},
		{0x00, "EN\r\n", reply(0x00, 1, 0, "", "", "Not found")},
		{0x0c, "EN kYSBi b\r\n", reply(0x0c, 1, 0, "", "a b", "")},
		{0x0c, "EN\r\n", reply(0x0c, 1, 0, "", "", "Not found")},
		{0x09, "EN\r\n", ""},
		{0x0d, "EN kk\r\n", ""},
		{0x09, ConnectionRefused, reply(0x09, 0x86, 0, "", "", "SERVER_ERROR Connection refused")},
		{0x01, "HD c9\r\n", reply(0x01, 0, 9, "", "", "")},
		{0x11, "HD c9\r\n", ""},
		{0x11, "EX c0\r\n", reply(0x11, 2, 0, "", "", "Data exists for key.")},
		{0x01, "NF c0\r\n", reply(0x01, 1, 0, "", "", "Not found")},
		{0x02, "NS c0\r\n", reply(0x02, 2, 0, "", "", "Data exists for key.")},
		{0x03, "NS c0\r\n", reply(0x03, 1, 0, "", "", "Not found")},
		{0x0e, "NS c0\r\n", reply(0x0e, 5, 0, "", "", "Not stored.")},
		{0x01, TooLarge, reply(0x01, 3, 0, "", "", "Too large.")},
		{0x01, "SERVER_ERROR out of memory storing object\r\n", reply(0x01, 0x82, 0, "", "", "Out of memory")},
		{0x01, NeedsMeta, reply(0x01, 0x83, 0, "", "", strings.TrimSpace(NeedsMeta))},
		{0x00, "ERROR\r\n", reply(0x00, 0x83, 0, "", "", "ERROR")},
		{0x04, "HD\r\n", reply(0x04, 0, 0, "", "", "")},
		{0x14, "HD\r\n", ""},
		{0x14, "NF\r\n", reply(0x14, 1, 0, "", "", "Not found")},
		{0x05, "VA 2 c7\r\n10\r\n", reply(0x05, 0, 7, "", "", "\x00\x00\x00\x00\x00\x00\x00\x0a")},
		{0x05, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
			reply(0x05, 6, 0, "", "", "Non-numeric server-side value for incr or decr")},
		{0x05, "CLIENT_ERROR invalid or duplicate flag\r\n", reply(0x05, 4, 0, "", "", "Invalid arguments")},
		{0x15, "VA 2 c7\r\n10\r\n", ""},
		{0x1c, "HD f10 c3\r\n", reply(0x1c, 0, 3, ten, "", "")},
		{0x1e, "EN\r\n", ""},
		{0x08, "OK\r\n", reply(0x08, 0, 0, "", "", "")},
		{0x08, "CLIENT_ERROR flush_all not allowed\r\n", reply(0x08, 0x20, 0, "", "", "Auth failure.")},
		{0x18, "OK\r\n", ""},
		{0x0b, "VERSION 1.6.18\r\n", reply(0x0b, 0, 0, "", "", "1.6.18")},
		{0x10, "STAT a 1\r\nSTAT b c d\r\nEND\r\n", reply(0x10, 0, 0, "", "a", "1") + reply(0x10, 0, 0, "", "b", "c d") + reply(0x10, 0, 0, "", "", "")},
		{0x10, "RESET\r\n", reply(0x10, 0, 0, "", "", "")},
		{0x10, "ERROR\r\n", reply(0x10, 1, 0, "", "", "Not found")},
	} {
		form := ReplyForm{0x01020304, c.opcode, formBinary}
		if got := string(form.Append([]byte("+"), []byte(c.reply))); got != "+"+c.want {
			t.Errorf("%#x: %q becomes %q, want %q", c.opcode, c.reply, got, c.want)
		}
	}
}

// Quiet meta commands hide what they are to hide, and nothing else.
func TestQuietReplies(t *testing.T) {
	for request, hidden := range map[string]string{
		"mg k q\r\n":              "EN|EN O1",
		"ms k 1 q\r\nx\r\n":       "HD|HD c1",
		"md k q\r\n":              "HD",
		"ma k q v\r\n":            "HD|VA 1\r\n1",
		"mg k v\r\n":              "",
		"set k 0 0 1\r\nx\r\n":    "",
		"get k\r\n":               "",
		"mn q\r\n":                "",
		"set k 0 0 0 noreply\r\n": "",
	} {
		r, _, _, _ := ConsumeRequest([]byte(request), nil)
		form := r.Form()
		if form.IsAsSent() != (hidden == "") {
			t.Errorf("%q: form %+v", request, form)
		}
		for _, reply := range []string{"HD", "HD c1", "EN", "EN O1", "NF", "NS", "EX", "VA 1\r\n1", "CLIENT_ERROR x", "SERVER_ERROR HD"} {
			want := reply + "\r\n"
			if hidden != "" && strings.Contains("|"+hidden+"|", "|"+reply+"|") || hidden == "HD" && reply == "HD c1" {
				want = ""
			}
			if request[:2] == "ma" && reply == "HD c1" {
				want = ""
			}
			if request[:2] == "md" && reply == "VA 1\r\n1" || request[:2] == "ms" && reply == "VA 1\r\n1" {
				continue // no such reply
			}
			if got := string(form.Append(nil, []byte(reply+"\r\n"))); got != want {
				t.Errorf("%q: %q becomes %q", request, reply, got)
			}
		}
	}
}

func FuzzConsumeBinary(f *testing.F) {
	for _, c := range binaryRequests {
		f.Add(binaryRequest(c.opcode, c.cas, c.extras, c.key, c.value))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte{BinaryMagic}, b...)
		r := ConsumeBinary(b)
		if len(b) < binaryHeaderBytes || r.Size > len(b) || r.Status != 0 || r.NoOp || r.Quit {
			return
		}
		text, failure := r.AppendText(nil)
		if failure != 0 {
			return
		}
		key := b[binaryHeaderBytes+int(b[4]):][:binary.BigEndian.Uint16(b[2:])]
		checkText(t, text, string(key))
	})
}

func FuzzBinaryReply(f *testing.F) {
	for _, in := range replies {
		f.Add(byte(0x0c), []byte(in))
		f.Add(byte(0x10), []byte(in))
	}
	f.Fuzz(func(t *testing.T, opcode byte, reply []byte) {
		n, _, err := ConsumeReply(reply, Progress{})
		if n == 0 || err != nil {
			return
		}
		out := ReplyForm{7, opcode, formBinary}.Append(nil, reply[:n])
		for len(out) > 0 { // packets, and nothing else
			if len(out) < binaryHeaderBytes || out[0] != replyMagic || out[1] != opcode {
				t.Fatalf("%q becomes %q", reply[:n], out)
			}
			size := binaryHeaderBytes + int(binary.BigEndian.Uint32(out[8:]))
			if size > len(out) || int(out[4])+int(binary.BigEndian.Uint16(out[2:])) > size-binaryHeaderBytes {
				t.Fatalf("%q becomes %q", reply[:n], out)
			}
			out = out[size:]
		}
	})
}

func TestNoAllocationsInBinary(t *testing.T) {
	requests := [][]byte{
		binaryRequest(0x00, 0, "", "user:1000:profile", ""), binaryRequest(0x01, 0, ten+ten, "user:1000:profile", "value"),
		binaryRequest(0x05, 0, seven64+nine64+ten, "a b", ""),
	}
	replies := byteSlices([]string{"VA 5 f10 c7\r\nvalue\r\n", "HD c9\r\n", "VA 2 c7\r\n10\r\n"})
	text, out, keys := make([]byte, 0, 4096), make([]byte, 0, 4096), make([]Span, 0, 16)
	for i, b := range requests {
		got := testing.AllocsPerRun(100, func() {
			r := ConsumeBinary(b)
			text, _ = r.AppendText(text[:0])
			_, keys, _, _ = ConsumeRequest(text, keys)
			out = r.Form.Append(out[:0], replies[i])
		})
		if got != 0 || !bytes.HasPrefix(out, []byte{replyMagic}) {
			t.Errorf("%#x: %v allocations, %q", b[1], got, out)
		}
	}
}
