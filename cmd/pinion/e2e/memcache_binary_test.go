// The binary protocol of memcached: a pool answers as one memcached would, in both protocols at once.

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// binaryPacket returns a request of the binary protocol. The opcode is its opaque, too.
func binaryPacket(opcode byte, cas uint64, extras, key, value string) string {
	b := []byte{0x80, opcode}
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = binary.BigEndian.AppendUint32(b, 0xabcd00+uint32(opcode))
	b = binary.BigEndian.AppendUint64(b, cas)
	return string(b) + extras + key + value
}

func storePacket(opcode byte, cas uint64, flags, expiry uint32, key, value string) string {
	extras := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, flags), expiry)
	return binaryPacket(opcode, cas, string(extras), key, value)
}

func countPacket(opcode byte, cas, delta, initial uint64, expiry uint32, key string) string {
	extras := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, delta), initial)
	return binaryPacket(opcode, cas, string(binary.BigEndian.AppendUint32(extras, expiry)), key, "")
}

func touchPacket(opcode byte, expiry uint32, key string) string {
	return binaryPacket(opcode, 0, string(binary.BigEndian.AppendUint32(nil, expiry)), key, "")
}

// exchangeBinary sends requests and the end of the stream, and returns the replies. Whether one has a CAS is kept, and which is
// not.
func exchangeBinary(t *testing.T, c *rig.Client, requests string) (replies []string) {
	t.Helper()
	defer c.Conn.Close()
	c.Conn.SetDeadline(time.Now().Add(rig.Patience))
	io.WriteString(c.Conn, requests)
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	all, err := io.ReadAll(c.Conn)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("reading replies to %.100q: %v", requests, err)
	}
	for len(all) > 0 {
		n := min(len(all), 24)
		if n == 24 {
			n = min(len(all), n+int(binary.BigEndian.Uint32(all[8:])))
			if binary.BigEndian.Uint64(all[16:]) != 0 {
				copy(all[16:24], "<a CAS!>")
			}
		}
		replies = append(replies, string(all[:n]))
		all = all[n:]
	}
	return replies
}

// binaryExchanges are sequences of requests, each sent at once on a connection of its own.
var binaryExchanges = []struct {
	name     string
	requests []string
}{
	{"get, miss", []string{binaryPacket(0x00, 0, "", "none", ""), binaryPacket(0x0c, 0, "", "none", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"quiet get, miss", []string{binaryPacket(0x09, 0, "", "none", ""), binaryPacket(0x0d, 0, "", "none", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"set and get", []string{
		storePacket(0x01, 0, 0xdeadbeef, 0, "apple", "value"), binaryPacket(0x00, 0, "", "apple", ""), binaryPacket(0x0c, 0, "", "apple", ""),
		binaryPacket(0x09, 0, "", "apple", ""), binaryPacket(0x0d, 0, "", "apple", ""), binaryPacket(0x0a, 0, "", "", ""),
	}},
	{"quiet set", []string{storePacket(0x11, 0, 1, 0, "banana", ""), binaryPacket(0x00, 0, "", "banana", "")}},
	{"add", []string{
		storePacket(0x02, 0, 1, 0, "add", "1"), storePacket(0x02, 0, 1, 0, "add", "2"), storePacket(0x12, 0, 1, 0, "add", "3"),
		storePacket(0x12, 0, 1, 0, "add2", "4"), binaryPacket(0x00, 0, "", "add", ""),
	}},
	{"replace", []string{
		storePacket(0x03, 0, 1, 0, "none", "1"), storePacket(0x13, 0, 1, 0, "none", "2"), storePacket(0x03, 0, 2, 0, "add", "3"),
		storePacket(0x13, 0, 2, 0, "add", "4"), binaryPacket(0x00, 0, "", "add", ""),
	}},
	{"cas", []string{
		storePacket(0x01, 1<<40, 0, 0, "apple", "x"), storePacket(0x02, 1<<40, 0, 0, "apple", "x"), storePacket(0x03, 1<<40, 0, 0, "apple", "x"),
		storePacket(0x01, 1<<40, 0, 0, "none", "x"), storePacket(0x02, 1<<40, 0, 0, "none", "x"), storePacket(0x11, 1<<40, 0, 0, "apple", "x"),
		binaryPacket(0x04, 1<<40, "", "apple", ""), binaryPacket(0x0e, 1<<40, "", "apple", "x"), countPacket(0x05, 1<<40, 1, 1, 0, "add"),
	}},
	{"append and prepend", []string{
		binaryPacket(0x0e, 0, "", "none", "x"), binaryPacket(0x0f, 0, "", "none", "x"), binaryPacket(0x0e, 0, "", "apple", ">"),
		binaryPacket(0x0f, 0, "", "apple", "<"), binaryPacket(0x19, 0, "", "apple", ">"), binaryPacket(0x1a, 0, "", "apple", "<"),
		binaryPacket(0x19, 0, "", "none", ">"), binaryPacket(0x00, 0, "", "apple", ""),
	}},
	{"count", []string{
		countPacket(0x05, 0, 1, 7, 0xffffffff, "n"), countPacket(0x06, 0, 1, 7, 0xffffffff, "n"), countPacket(0x15, 0, 1, 7, 0xffffffff, "n"),
		countPacket(0x05, 0, 1, 7, 0, "n"), countPacket(0x05, 0, 3, 7, 0, "n"), countPacket(0x06, 0, 4, 7, 0, "n"), countPacket(0x16, 0, 100, 7, 0, "n"),
		countPacket(0x15, 0, 5, 7, 0, "n"), countPacket(0x15, 0, 5, 1<<63, 100, "n2"), countPacket(0x05, 0, 1<<63, 0, 0, "n2"),
		binaryPacket(0x00, 0, "", "n", ""), binaryPacket(0x00, 0, "", "n2", ""), countPacket(0x05, 0, 1, 1, 0, "apple"), countPacket(0x16, 0, 1, 1, 0, "apple"),
	}},
	{"touch", []string{
		touchPacket(0x1c, 100, "none"), touchPacket(0x1c, 100, "apple"), touchPacket(0x1d, 100, "none"), touchPacket(0x1d, 0, "apple"),
		touchPacket(0x1e, 100, "none"), touchPacket(0x1e, 100, "apple"), touchPacket(0x23, 100, "none"), touchPacket(0x23, 100, "apple"),
		touchPacket(0x24, 100, "none"), touchPacket(0x24, 0xffffffff, "apple"), binaryPacket(0x00, 0, "", "apple", ""),
	}},
	{"expiry", []string{
		storePacket(0x01, 0, 0, 1, "gone", "x"), touchPacket(0x1c, 1<<31-1, "gone"), storePacket(0x01, 0, 0, 60*60*24*30+1, "past", "x"),
		binaryPacket(0x00, 0, "", "past", ""), storePacket(0x01, 0, 0, 0xffffffff, "late", "x"), binaryPacket(0x00, 0, "", "late", ""),
	}},
	{"delete", []string{
		binaryPacket(0x04, 0, "", "none", ""), binaryPacket(0x14, 0, "", "none", ""), binaryPacket(0x04, 0, "", "add", ""), binaryPacket(0x14, 0, "", "add2", ""),
		binaryPacket(0x00, 0, "", "add", ""), binaryPacket(0x00, 0, "", "add2", ""),
	}},
	{"keys that text cannot have", []string{
		storePacket(0x01, 0, 5, 0, "a key\r\n", "\r\nEND\r\n"), binaryPacket(0x0c, 0, "", "a key\r\n", ""), binaryPacket(0x0d, 0, "", "a key\r\n", ""),
		binaryPacket(0x0c, 0, "", "no key\x00", ""), countPacket(0x05, 0, 1, 9, 0, "\x00\xff\x80"), binaryPacket(0x00, 0, "", "\x00\xff\x80", ""),
		touchPacket(0x23, 0, "a key\r\n"), binaryPacket(0x0e, 0, "", "a key\r\n", "!"), binaryPacket(0x04, 0, "", "a key\r\n", ""), binaryPacket(0x04, 0, "", "a key\r\n", ""),
	}},
	{"keys of the greatest length", []string{
		storePacket(0x01, 0, 5, 0, strings.Repeat("k", 250), "x"), binaryPacket(0x0c, 0, "", strings.Repeat("k", 250), ""),
		storePacket(0x01, 0, 5, 0, strings.Repeat(" ", 186), "x"), binaryPacket(0x0c, 0, "", strings.Repeat(" ", 186), ""),
		binaryPacket(0x0c, 0, "", strings.Repeat("k", 251), ""), binaryPacket(0x0a, 0, "", "", ""),
	}},
	{"version, no operation, no such command", []string{
		binaryPacket(0x0b, 0, "", "", ""), binaryPacket(0x0a, 0, "", "", ""), binaryPacket(0x1b, 0, "", "", ""), binaryPacket(0x20, 0, "", "", ""),
		binaryPacket(0x21, 0, "", "PLAIN", "\x00a\x00b"), binaryPacket(0x22, 0, "", "PLAIN", "\x00a\x00b"), binaryPacket(0xf0, 0, "", "", ""), binaryPacket(0x0a, 0, "", "", ""),
	}},
	{"too large", []string{
		storePacket(0x01, 0, 5, 0, "large", strings.Repeat("x", 1<<20)), storePacket(0x11, 0, 5, 0, "large", strings.Repeat("x", 1<<20)),
		binaryPacket(0x0a, 0, "", "", ""),
	}},
	{"half a megabyte", []string{
		storePacket(0x01, 0, 5, 0, "half", strings.Repeat("x", 1<<19)), binaryPacket(0x00, 0, "", "half", ""), binaryPacket(0x04, 0, "", "half", ""),
	}},
	{"long and short ones in turn", []string{
		storePacket(0x01, 0, 5, 0, "apple", strings.Repeat("a", 1<<19)), storePacket(0x11, 0, 6, 0, "banana", strings.Repeat("b", 300_000)),
		storePacket(0x01, 0, 7, 0, "a key", strings.Repeat("c", 200_000)), storePacket(0x01, 0, 8, 0, "grape", "d"),
		binaryPacket(0x00, 0, "", "grape", ""), binaryPacket(0x0c, 0, "", "apple", ""), binaryPacket(0x09, 0, "", "banana", ""),
		binaryPacket(0x00, 0, "", "grape", ""), binaryPacket(0x0d, 0, "", "a key", ""), binaryPacket(0x0e, 0, "", "a key", strings.Repeat("e", 100_000)),
		binaryPacket(0x00, 0, "", "a key", ""), binaryPacket(0x0a, 0, "", "", ""),
	}},
	{"statistics that there are not", []string{binaryPacket(0x10, 0, "", "nosuch", ""), binaryPacket(0x10, 0, "", "cachedump 1 1", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"statistics that are only set", []string{
		binaryPacket(0x10, 0, "", "reset", ""), binaryPacket(0x10, 0, "", "detail on", ""), binaryPacket(0x10, 0, "", "detail off", ""),
	}},
	{"a key where none may be", []string{binaryPacket(0x0a, 0, "", "key", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"no key", []string{binaryPacket(0x00, 0, "", "", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"no extras", []string{binaryPacket(0x01, 0, "", "key", "value"), binaryPacket(0x0a, 0, "", "", "")}},
	{"lengths that contradict each other", []string{"\x80\x00\x00\x09" + strings.Repeat("\x00", 20) + "123456789", binaryPacket(0x0a, 0, "", "", "")}},
	{"another magic", []string{binaryPacket(0x0a, 0, "", "", ""), "\x81" + binaryPacket(0x0a, 0, "", "", "")[1:], binaryPacket(0x0a, 0, "", "", "")}},
	{"quit", []string{binaryPacket(0x0a, 0, "", "", ""), binaryPacket(0x07, 0, "", "", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"quiet quit", []string{binaryPacket(0x0a, 0, "", "", ""), binaryPacket(0x17, 0, "", "", ""), binaryPacket(0x0a, 0, "", "", "")}},
	{"flush", []string{
		binaryPacket(0x08, 0, "\x00\x00\x10\x00", "", ""), binaryPacket(0x18, 0, "\x00\x00\x00\x00", "", ""), binaryPacket(0x08, 0, "", "", ""),
		binaryPacket(0x18, 0, "", "", ""), binaryPacket(0x00, 0, "", "apple", ""),
	}},
}

func TestE2EBinaryLikeMemcached(t *testing.T) {
	t.Parallel()
	memcached := func() *rig.Backend { return rig.MemcachedServer(t) }
	one := memcached()
	single := rig.MemcachePool(t, rig.Several(1, memcached), "hash: murmur")
	several := rig.MemcachePool(t, rig.Several(3, memcached), "hash: murmur")
	for _, e := range binaryExchanges {
		want := exchangeBinary(t, one.Dial(), strings.Join(e.requests, ""))
		for servers, p := range map[int]*rig.Proxy{1: single, 3: several} {
			if got := exchangeBinary(t, p.Dial(), strings.Join(e.requests, "")); !slices.Equal(got, want) {
				t.Errorf("%s, %d servers:\nmemcached %.120q\npinion    %.120q", e.name, servers, want, got)
			}
		}
	}
}

// What one protocol stores the other one finds, and a CAS of one is that of the other.
func TestE2EBinaryBesideText(t *testing.T) {
	t.Parallel()
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), "hash: murmur")
	text := p.Dial()
	for i := range 30 {
		key := fmt.Sprintf("key:%d", i)
		if got := exchangeBinary(t, p.Dial(), storePacket(0x01, 0, 7, 0, key, "binary")); len(got) != 1 || got[0][6:8] != "\x00\x00" {
			t.Fatalf("set: %q", got)
		}
		gets := strings.Fields(text.Line("gets " + key))
		if len(gets) != 7 || gets[2] != "7" || gets[5] != "binary" {
			t.Fatalf("gets: %q", gets)
		}
		cas := rig.Atoi(gets[4])
		exchangeBinary(t, p.Dial(), storePacket(0x11, uint64(cas), 8, 0, key, "again"))
		if got := text.Line("get " + key); !strings.HasPrefix(got, "VALUE "+key+" 8 5\r\nagain\r\n") {
			t.Errorf("get: %q", got)
		}
	}
	var names []string
	for _, reply := range exchangeBinary(t, p.Dial(), binaryPacket(0x10, 0, "", "", "")) {
		names = append(names, reply[24:])
	}
	if !slices.Contains(names, "curr_items30") || names[len(names)-1] != "" {
		t.Errorf("statistics: %q", names)
	}
}
