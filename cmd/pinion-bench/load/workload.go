// The content of a load: which keys a request names, which value belongs to a key, and the bytes of both directions.

package load

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	keyPrefix = "key:"
	keyDigits = 10
	keyBytes  = len(keyPrefix) + keyDigits

	// valueStarts is how many different values there are: each is a stretch of one array of noise, from where its key
	// says.
	valueStarts = 1 << 20
)

// message is a form whose numbers are filled in.
type message struct {
	head, before, middle, after, tail []byte
	hasKey, hasValue                  bool
	keys                              int
	bytes                             int // the length of each message of this form
}

// workload makes the bytes of requests and replies. It does not change once made: all threads use it.
type workload struct {
	spec    Spec
	request [2]message // the usual one and the other one
	reply   [2]message
	mixed   bool   // the two differ
	noise   []byte // valueStarts + ValueBytes long
}

func newWorkload(s Spec) (*workload, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	usual, other, err := dialects[s.Protocol].exchanges(s.Operation)
	if err != nil {
		return nil, err
	}
	if s.Operation != MGet && s.Operation != MSet && s.Operation != Multi {
		s.KeysPerRequest = 1
	}
	w := &workload{spec: s, mixed: usual != other, noise: make([]byte, valueStarts+s.ValueBytes)}
	source := rand.NewPCG(1, 2) // the same values in every run
	for i := 0; i+8 <= len(w.noise); i += 8 {
		binary.LittleEndian.PutUint64(w.noise[i:], source.Uint64())
	}
	for i, e := range []*exchange{usual, other} {
		w.request[i] = fillIn(e.request, s)
		w.reply[i] = fillIn(e.reply, s)
	}
	return w, nil
}

// fillIn makes the message of a form.
func fillIn(f form, s Spec) message {
	numbers := strings.NewReplacer(
		"{v}", strconv.Itoa(s.ValueBytes), "{k}", strconv.Itoa(keyBytes), "{n}", strconv.Itoa(s.KeysPerRequest),
		"{a}", strconv.Itoa(1+s.KeysPerRequest), "{b}", strconv.Itoa(1+2*s.KeysPerRequest),
		"{q}", strings.Repeat("+QUEUED\r\n", s.KeysPerRequest))
	text := func(t string) []byte { return []byte(numbers.Replace(t)) }
	m := message{
		head: text(f.head), before: text(f.before), middle: text(f.middle), after: text(f.after), tail: text(f.tail),
		hasKey: f.hasKey, hasValue: f.hasValue, keys: s.KeysPerRequest,
	}
	perKey := len(m.before) + len(m.middle) + len(m.after)
	if m.hasKey {
		perKey += keyBytes
	}
	if m.hasValue {
		perKey += s.ValueBytes
	}
	if !m.hasKey && !m.hasValue {
		m.keys = 0
	}
	m.bytes = len(m.head) + m.keys*perKey + len(m.tail)
	return m
}

// requestAt and replyAt return the form of the n-th request of a connection, and of its reply.
func (w *workload) requestAt(conn, n uint64) *message { return &w.request[w.kind(conn, n)] }

func (w *workload) replyAt(conn, n uint64) *message { return &w.reply[w.kind(conn, n)] }

func (w *workload) kind(conn, n uint64) int {
	if w.mixed && mix(conn, n)%10 == 0 {
		return 1
	}
	return 0
}

// key returns the j-th key of the n-th request of a connection.
func (w *workload) key(conn, n uint64, j int) uint64 {
	keys := uint64(w.spec.Keys)
	if w.spec.InOrder {
		return (conn + n*uint64(w.spec.Connections)) % keys
	}
	return mix(conn, n+uint64(j)<<48) >> 32 * keys >> 32
}

// mix returns a number that looks random (the finalizer of SplitMix64, Steele et al. 2014).
func mix(conn, n uint64) uint64 {
	x := conn*0x9e3779b97f4a7c15 + n + 1
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// render appends the bytes of a message to dst, without the first skip of them, and no more than dst has capacity for.
func (w *workload) render(dst []byte, m *message, conn, n uint64, skip int) []byte {
	out := window{bytes: dst, skip: skip}
	var name [keyBytes]byte
	copy(name[:], keyPrefix)
	out.add(m.head)
	for j := range m.keys {
		if len(out.bytes) == cap(out.bytes) {
			return out.bytes
		}
		key := w.key(conn, n, j)
		out.add(m.before)
		if m.hasKey {
			putDigits(&name, key)
			out.add(name[:])
		}
		out.add(m.middle)
		if m.hasValue {
			start := key % valueStarts
			out.add(w.noise[start : start+uint64(w.spec.ValueBytes)])
		}
		out.add(m.after)
	}
	out.add(m.tail)
	return out.bytes
}

func putDigits(name *[keyBytes]byte, key uint64) {
	for i := keyBytes - 1; i >= len(keyPrefix); i-- {
		name[i] = '0' + byte(key%10)
		key /= 10
	}
}

// window lets through a part of what is added to it.
type window struct {
	bytes []byte // grows up to its capacity, never beyond
	skip  int    // bytes still to leave out
}

func (o *window) add(b []byte) {
	if o.skip > 0 {
		left := min(o.skip, len(b))
		o.skip -= left
		b = b[left:]
	}
	room := cap(o.bytes) - len(o.bytes)
	o.bytes = append(o.bytes, b[:min(len(b), room)]...)
}
