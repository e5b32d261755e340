// Good and bad records, of which crypto/tls and the record layer must make the same.

package tlsrec

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// wild writes what no sensible peer writes, with the right keys.
type wild struct {
	*Conn
	random  *rand.Rand
	useless int // records in a row; crypto/tls bears 16, and we more
}

// sealed is a record of any kind whose header says kind outer, with padding in TLS 1.3.
func (w *wild) sealed(outer, kind recordKind, content []byte, padding int) []byte {
	if padding > 0 && w.Version() == tls.VersionTLS13 {
		content = append(append(bytes.Clone(content), byte(kind)), make([]byte, padding-1)...)
		kind = 0
	}
	record, body := w.begin(nil, kind, len(content))
	copy(body, content)
	if w.Version() == tls.VersionTLS13 {
		record[0] = byte(outer)
	}
	record, _, err := w.finish(nil, record, kind, len(content), 0)
	if err != nil {
		panic(err)
	}
	return record
}

func (w *wild) record(kind recordKind, content ...byte) []byte {
	return w.sealed(recordData, kind, content, w.random.IntN(2)*w.random.IntN(200))
}

// keyUpdate is a message in one record or in two, after which the key changes.
func (w *wild) keyUpdate(request byte) (records []byte) {
	message := []byte{messageKeyUpdate, 0, 0, 1, request}
	cut := w.random.IntN(len(message))
	if cut > 0 {
		records = w.record(recordHandshake, message[:cut]...)
	}
	records = append(records, w.record(recordHandshake, message[cut:]...)...)
	if err := w.advanceOut(); err != nil {
		panic(err)
	}
	return records
}

// ticket is one that crypto/tls believes, in one record or in two.
func (w *wild) ticket() []byte {
	label := w.bytes(1 + w.random.IntN(3000))
	body := []byte{0, 0, 1, 0, 1, 2, 3, 4, 1, 0, byte(len(label) >> 8), byte(len(label))}
	body = append(append(body, label...), 0, 0)
	message := append([]byte{messageNewSessionTicket, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	cut := 1 + w.random.IntN(len(message)-1)
	return append(w.record(recordHandshake, message[:cut]...), w.record(recordHandshake, message[cut:]...)...)
}

func (w *wild) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.random.Uint32())
	}
	return b
}

// step returns the next bytes, and what they are.
func (w *wild) step() (what string, records []byte) {
	new := w.Version() == tls.VersionTLS13
	roll := w.random.IntN(100)
	if roll >= 38 && roll < 68 {
		if w.useless++; w.useless > 7 { // each may be two records
			roll = 0
		}
	}
	switch {
	case roll < 38:
		w.useless = 0
		return "data", w.record(recordData, w.bytes(1+w.random.IntN(1<<w.random.IntN(14)))...)
	case roll < 42:
		return "empty data", w.record(recordData)
	case roll < 46 && new:
		return "user canceled", w.record(recordAlert, byte(1+w.random.IntN(2)), byte(UserCanceled))
	case roll < 46:
		return "a warning", w.record(recordAlert, alertWarning, byte(1+w.random.IntN(255)))
	case roll < 58 && new:
		return "a key update", w.keyUpdate(byte(w.random.IntN(2)))
	case roll < 68 && new && !w.client:
		return "a ticket", w.ticket()
	case roll < 84:
		w.useless = 0
		return "full data", w.record(recordData, w.bytes(MaxPlaintext-200)...)
	}
	return w.fault(roll)
}

// fault returns something after which a connection ends.
func (w *wild) fault(roll int) (what string, records []byte) {
	data := w.bytes(1 + w.random.IntN(100))
	if w.Version() == tls.VersionTLS12 {
		roll = max(roll, 87) // crypto/tls looks into messages that it then refuses
	}
	switch roll {
	case 84:
		return "a key update and more", w.record(recordHandshake, messageKeyUpdate, 0, 0, 1, 0, messageKeyUpdate)
	case 85:
		return "a long key update", w.record(recordHandshake, messageKeyUpdate, 0, 0, 2, 0, 0)
	case 86:
		return "data inside a message", append(w.record(recordHandshake, messageKeyUpdate, 0), w.record(recordData, data...)...)
	case 87:
		return "too much data", w.sealed(recordData, recordData, w.bytes(MaxPlaintext+1), 0)
	case 88:
		record := w.record(recordData, data...)
		record[HeaderSize+w.random.IntN(len(record)-HeaderSize)] ^= 1 << w.random.IntN(8)
		return "a flipped bit", record
	case 89:
		record := w.record(recordData, data...)
		record[2] ^= 2
		return "another version", record
	case 90:
		return "an oversized record", append([]byte{byte(recordData), 3, 3, 0x60, 0}, data...)
	case 91:
		return "a short record", []byte{byte(recordData), 3, 3, 0, 3, 1, 2, 3}
	case 92:
		return "close", w.record(recordAlert, byte(1+w.random.IntN(2)), byte(CloseNotify))
	case 93:
		return "an alert", w.record(recordAlert, alertFatal, byte(100+w.random.IntN(50)))
	case 94:
		return "a long alert", w.record(recordAlert, alertFatal, 1, 1)
	case 95:
		return "an unknown kind", w.record(recordKind(24+w.random.IntN(100)), data...)
	case 96:
		return "a wrong message", w.record(recordHandshake, byte(100+w.random.IntN(50)), 0, 0, 1, 1)
	case 97:
		return "an empty message", w.record(recordHandshake)
	case 98:
		w.record(recordData, data...)
		return "after a lost record", w.record(recordData, data...)
	}
	return "another kind outside", w.sealed(recordHandshake, recordData, data, 0)
}

// verdict is what a connection has made of some records.
type verdict struct {
	data   string
	end    string // "": it goes on
	answer string
}

// ofTwin is the verdict of crypto/tls.
func (e *established) ofTwin(records []byte) (v verdict) {
	e.peerWire.Write(records)
	e.peerWire.in.Reset()
	data, err := read(e.twin)
	v.data, v.answer = string(data), e.peerWire.in.String()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, io.EOF):
		v.end = "closed"
	case strings.Contains(err.Error(), "remote error"):
		v.end = "remote"
	default:
		v.end = "local"
	}
	return v
}

// ofOurs is the verdict of the record layer, with a handoff or a nap in between.
func (e *established) ofOurs(t testing.TB, random *rand.Rand, records []byte) (v verdict) {
	var plain, answer []byte
	var err error
	for pending := records; err == nil; {
		cut := random.IntN(len(pending) + 1)
		if random.IntN(3) > 0 {
			cut = len(pending)
		}
		var used int
		plain, used, err = e.ours.Open(plain, pending[:cut])
		pending = pending[used:]
		if err == nil && e.ours.OwesKeyUpdate() {
			answer, _, err = e.ours.Seal(answer)
		}
		switch random.IntN(8) {
		case 0:
			if err == nil {
				e.ours = move(t, e.ours)
			}
		case 1:
			e.ours.Sleep()
		}
		if cut == used+len(pending) && used == 0 {
			break
		}
	}
	v.data = string(plain)
	var a Alert
	var remote RemoteAlert
	switch {
	case errors.As(err, &a):
		v.end = "local"
		answer, err = e.ours.SealAlert(answer, a)
		if err != nil {
			t.Fatal(err)
		}
	case errors.As(err, &remote):
		v.end = "remote"
	case errors.Is(err, ErrClosed):
		v.end = "closed"
	}
	v.answer = string(answer)
	return v
}

// against compares both over a sequence of records that a seed gives.
func against(t testing.TB, v variant, seed uint64) {
	e := establish(t, v)
	random := rand.New(rand.NewPCG(seed, uint64(v.suite)))
	w := &wild{Conn: e.mirror(t), random: random}
	var history []string
	for range 1 + random.IntN(40) {
		what, records := w.step()
		history = append(history, what)
		want, got := e.ofTwin(records), e.ofOurs(t, random, records)
		if got != want {
			t.Fatalf("seed %d, %v, after %q: data %d and %d bytes, end %q and %q, answer %x and %x; ours is the first", seed, v, history,
				len(got.data), len(want.data), got.end, want.end, got.answer, want.answer)
		}
		if got.end != "" {
			return
		}
	}
}

// mirror is the record layer of the peer.
func (e *established) mirror(t testing.TB) *Conn {
	c, err := Restore(e.ours.AppendState(nil))
	if err != nil {
		t.Fatal(err)
	}
	c.client = !c.client
	c.in, c.out = c.out, c.in
	return c
}

// sequences are the seeds of the test: PINION_SEQUENCES="N FIRST" are N of each variant.
func sequences(t *testing.T) (n, first uint64) {
	given := os.Getenv("PINION_SEQUENCES")
	if given == "" {
		return 60, 0
	}
	if _, err := fmt.Sscan(given, &n, &first); err != nil {
		t.Fatalf("PINION_SEQUENCES=%q is not a number and the first seed: %v", given, err)
	}
	return n, first
}

func TestAgainstCryptoTLS(t *testing.T) {
	n, first := sequences(t)
	for _, v := range variants() {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range n {
				against(t, v, first+seed)
			}
			t.Logf("%d sequences from seed %d on", n, first)
		})
	}
}

func FuzzAgainstCryptoTLS(f *testing.F) {
	f.Fuzz(func(t *testing.T, seed uint64) { against(t, variants()[seed%uint64(len(variants()))], seed) })
}

func FuzzRestore(f *testing.F) {
	for _, s := range suites {
		for _, change := range []func(c *Conn){
			func(*Conn) {},
			func(c *Conn) { c.keyUpdateOwed, c.closeSent = true, true },
			func(c *Conn) { c.headLen, c.header[0] = 3, messageKeyUpdate },
			func(c *Conn) { c.skip, c.idle = 7, 8 },
		} {
			c, _ := pair(f, s.version, s.id)
			change(c)
			f.Add(c.AppendState(nil))
		}
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		c, err := Restore(state)
		if err != nil {
			return
		}
		if again := c.AppendState(nil); !bytes.Equal(again, state) {
			t.Fatalf("%x became %x", state, again)
		}
		if _, _, err := c.Seal(nil, []byte("data")); err != nil && c.out.seq != 1<<64-1 {
			t.Fatal(err)
		}
		c.Open(nil, []byte{byte(recordData), 3, 3, 0, 40, 49: 0})
	})
}

// Each prefix of a state is refused, and no changed bit of one does harm.
func TestRestoreOfDamage(t *testing.T) {
	for _, s := range suites {
		c, _ := pair(t, s.version, s.id)
		state := c.AppendState(nil)
		for n := range state {
			if c, err := Restore(state[:n]); err == nil {
				t.Errorf("%d of %d bytes are %+v", n, len(state), c)
			}
		}
		if c, err := Restore(append(bytes.Clone(state), 0)); err == nil {
			t.Errorf("a byte too many is %+v", c)
		}
		for bit := range 8 * len(state) {
			damaged := bytes.Clone(state)
			damaged[bit/8] ^= 1 << (bit % 8)
			if c, err := Restore(damaged); err == nil {
				c.Open(nil, []byte{byte(recordData), 3, 3, 0, 40, 49: 0})
			}
		}
	}
}
