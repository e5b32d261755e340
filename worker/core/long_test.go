// Long requests and long replies: right in any pieces, a slice per turn, and in the memory that they came in.

package core

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

func TestLongWorlds(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playLongWorld(t, seed) })
	}
}

func FuzzLongWorld(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(playLongWorld)
}

// executed is the reply of a fake server to the one request that it has got.
func executed(t testing.TB, s store, b []byte) []byte {
	t.Helper()
	n, args, err := resp.ConsumeRequest(b, nil)
	if n != len(b) || err != nil {
		t.Fatalf("a server got %d bytes, the first %d of which are a request: %v", len(b), n, err)
	}
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = string(arg.Of(b))
	}
	return s.execute(nil, words...)
}

// processor returns how long this thread has had a processor.
func processor(t testing.TB) time.Duration {
	var now unix.Timespec
	must(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return time.Duration(now.Nano())
}

// longRun plays one long request through a worker with three servers.
type longRun struct {
	*rig
	client  *peer
	stores  []store
	worst   time.Duration // of the worker's turns, in time on a processor
	most    int64         // bytes that its buffers have held
	replies int           // bytes that servers have sent
}

func newLongRun(t testing.TB) *longRun {
	runtime.LockOSThread() // whose clock is read
	t.Cleanup(runtime.UnlockOSThread)
	r := &longRun{rig: newRig(t)}
	r.redisPool("s1", "s2", "s3")
	r.start()
	r.unchecked = true
	r.client = r.connect("a", 0, 0)
	r.stores = []store{{}, {}, {}}
	return r
}

// settle is turn, measured.
func (r *longRun) settle() {
	l := r.workers[0]
	for busy := true; busy; {
		before := processor(r.t)
		busy = r.step(l)
		r.worst = max(r.worst, processor(r.t)-before)
		r.most = max(r.most, l.memory.Held())
		busy = r.receive() || busy
	}
}

// ask has the client send a request, lets the servers answer, and returns the reply.
func (r *longRun) ask(request []byte) []byte {
	r.worst, r.most, r.replies = 0, 0, 0
	r.client.send(request)
	r.settle()
	for i, s := range r.servers {
		for _, c := range s.conns {
			if b := c.take(); len(b) > 0 {
				reply := executed(r.t, r.stores[i], b)
				r.replies += len(reply)
				c.send(reply)
			}
		}
	}
	r.settle()
	return r.client.take()
}

// Hundreds of thousands of keys hold up nobody, whatever is asked of them.
func TestTurnsOfLongRequests(t *testing.T) {
	const keys = 200_000
	var mget, mset bytes.Buffer
	fmt.Fprintf(&mget, "*%d\r\n$4\r\nMGET\r\n", keys+1)
	fmt.Fprintf(&mset, "*%d\r\n$4\r\nMSET\r\n", 2*keys+1)
	values := fmt.Appendf(nil, "*%d\r\n", keys)
	for i := range keys {
		fmt.Fprintf(&mget, "$8\r\n%08d\r\n", i)
		fmt.Fprintf(&mset, "$8\r\n%08d\r\n$1\r\n%d\r\n", i, i%10)
		values = fmt.Appendf(values, "$1\r\n%d\r\n", i%10)
	}
	r := newLongRun(t)
	for _, test := range []struct {
		name    string
		request []byte
		want    []byte
	}{
		{"MSET", mset.Bytes(), []byte("+OK\r\n")},
		{"MGET", mget.Bytes(), values},
		{"EXISTS", bytes.Replace(mget.Bytes(), []byte("$4\r\nMGET"), []byte("$6\r\nEXISTS"), 1), fmt.Appendf(nil, ":%d\r\n", keys)},
	} {
		worst := time.Hour
		for try := 0; try < tries && worst > longest; try++ {
			if got := r.ask(test.request); !bytes.Equal(got, test.want) {
				t.Fatalf("%s: got %d bytes, %.50q, want %d", test.name, len(got), got, len(test.want))
			}
			worst = min(worst, r.worst)
			if payload := int64(len(test.request) + r.replies); r.most > payload*3/2 {
				t.Errorf("%s: %d bytes were held of a request and replies of %d", test.name, r.most, payload)
			}
		}
		if worst > longest {
			t.Errorf("%s: a turn took %v of a processor", test.name, worst)
		}
		t.Logf("%s: the longest turn took %v", test.name, worst)
	}
}

// Neither do those whose keys must all live on one server, at fixed positions, by their number, or behind an option.
func TestTurnsOfCheckedRequests(t *testing.T) {
	const keys = 100_000
	r := newLongRun(t)
	place := r.workers[0].pools[0].placement.ring
	next := 0
	at := func(server int) string {
		for next++; place.Server(fmt.Appendf(nil, "%08d", next)) != server; next++ {
		}
		return fmt.Sprintf("%08d", next)
	}
	list := make([]string, keys)
	for i := range list {
		list[i] = at(1)
	}
	ids := slices.Repeat([]string{"0"}, keys)
	stray := slices.Clone(list)
	stray[keys-1] = at(0)
	number := fmt.Sprint(keys)
	for _, test := range []struct{ before, after []string }{
		{before: []string{"SINTER"}},
		{before: []string{"ZINTERSTORE", at(1), number}},
		{before: []string{"EVAL", "return 1", number}, after: ids},
		{before: []string{"XREAD", "COUNT", "1", "STREAMS"}, after: ids},
	} {
		r.checked(slices.Concat(test.before, list, test.after))
		r.refused(slices.Concat(test.before, stray, test.after), "CROSSSHARD keys of")
	}
	r.refused(slices.Concat([]string{"ZINTERSTORE", at(2), number}, list), "CROSSSHARD keys of 'zinterstore'")
	r.refused(slices.Concat([]string{"SINTERCARD", fmt.Sprint(keys + 1)}, list), "ERR Number of keys can't be greater")
	r.refused(slices.Concat([]string{"XREAD", "STREAMS"}, list, ids[1:]), "ERR Unbalanced 'xread' list of streams")
	r.refused(slices.Concat([]string{"SORT", at(1)}, list), "ERR 'sort' of more than 65536 arguments is not supported")
	r.refused(slices.Concat([]string{"EVAL", "return 1", "0"}, list), "CROSSSHARD 'eval' may touch keys")
	r.refused(slices.Concat([]string{"GET"}, list), "ERR wrong number of arguments for 'get'")
	r.refused(slices.Concat([]string{"OBJECT"}, list), "ERR unknown subcommand '"+list[0]+"'")
	r.refused(slices.Concat([]string{"HELLO", "2"}, slices.Repeat([]string{"SETNAME", "x"}, keys)), "ERR syntax error")
	unknown := r.refused(slices.Concat([]string{"FOO"}, slices.Repeat([]string{""}, keys)), "ERR unknown command 'FOO'")
	if few := r.refused(slices.Concat([]string{"FOO"}, slices.Repeat([]string{""}, 60)), "ERR unknown command 'FOO'"); unknown != few {
		t.Errorf("of %d arguments %q is told, of 60 %q", keys, unknown, few)
	}
	one := at(1)
	r.checked(slices.Concat([]string{"COPY", one, at(1)}, slices.Repeat([]string{"REPLACE"}, keys/2)))
	r.checked(slices.Concat([]string{"EVAL", "return 1", "1", one}, ids))
}

// longest is how much time on a processor a turn may take, at least once in several tries: whoever else keeps the machine
// busy slows it down.
const longest, tries = 20 * time.Millisecond, 3

// checked has the client send a request for the second server, which must get it as it is, without a turn that takes long.
func (r *longRun) checked(words []string) {
	r.t.Helper()
	request := redisRequestOf(words...)
	worst := time.Hour
	for try := 0; try < tries && worst > longest; try++ {
		r.worst, r.most = 0, 0
		r.client.send(request)
		r.settle()
		worst = min(worst, r.worst)
		if got := r.servers[1].conns[0].take(); !bytes.Equal(got, request) {
			r.t.Fatalf("%s: the server got %d bytes, want %d", words[0], len(got), len(request))
		}
		r.servers[1].conns[0].send([]byte("*0\r\n"))
		r.settle()
		if got := string(r.client.take()); got != "*0\r\n" {
			r.t.Fatalf("%s: got %q", words[0], got)
		}
	}
	r.judge(words[0], len(request), worst)
}

// refused has the client send a request that no server may get, and returns the error, which must begin with what want says.
func (r *longRun) refused(words []string, want string) (got string) {
	r.t.Helper()
	request := redisRequestOf(words...)
	worst := time.Hour
	for try := 0; try < tries && worst > longest; try++ {
		r.worst, r.most = 0, 0
		r.client.send(request)
		r.settle()
		worst = min(worst, r.worst)
		if got = string(r.client.take()); !strings.HasPrefix(got, "-"+want) {
			r.t.Errorf("%s: got %.100q, want %q", words[0], got, want)
		}
		for _, s := range r.servers {
			for _, c := range s.conns {
				if b := c.take(); len(b) > 0 {
					r.t.Errorf("%s: %s got %.50q", words[0], c.name, b)
				}
			}
		}
	}
	r.judge(words[0], len(request), worst)
	return got
}

// judge says what a request of so many bytes has cost too much.
func (r *longRun) judge(name string, size int, worst time.Duration) {
	r.t.Helper()
	if worst > longest {
		r.t.Errorf("%s: a turn took %v of a processor", name, worst)
	}
	if most := int64(size + size/memory.GrowthPart + 3*memory.GrowthBytes); r.most > most {
		r.t.Errorf("%s: %d bytes were held of a request of %d", name, r.most, size)
	}
	r.t.Logf("%s: the longest turn took %v", name, worst)
}

// Large values are never twice in memory, in neither direction, and are gone from it as soon as they are written.
func TestMemoryOfLargeValues(t *testing.T) {
	const size = 8 << 20
	x, y := strings.Repeat("x", size), strings.Repeat("y", size)
	r := newLongRun(t)
	array := resp.AppendBulkString(resp.AppendBulkString(resp.AppendArray(nil, 3), x), y)
	for _, test := range []struct {
		request []byte
		want    []byte
		payload int
	}{
		{redisRequestOf("MSET", "a", x, "b", y), []byte("+OK\r\n"), 2 * size},
		{redisRequestOf("MGET", "a", "b", "none"), resp.AppendNull(array), 2 * size},
		{redisRequestOf("MGET", "a", "b", "none"), resp.AppendNull(array), 2 * size},
		{redisRequestOf("ECHO", x), resp.AppendBulkString(nil, x), size},
		{redisRequestOf("PING", x), resp.AppendBulkString(nil, x), size},
		{redisRequestOf("SET", "a", x), []byte("+OK\r\n"), size},
		{redisRequestOf("GET", "a"), resp.AppendBulkString(nil, x), size},
	} {
		if got := r.ask(test.request); !bytes.Equal(got, test.want) {
			t.Fatalf("%.20q: got %d bytes, %.50q, want %d", test.request, len(got), got, len(test.want))
		}
		t.Logf("%.20q: the longest turn took %v", test.request, r.worst)
		// A buffer that grows is up to a sixteenth larger than what it holds, or a megabyte.
		if most := int64(test.payload + test.payload/memory.GrowthPart + 3*memory.GrowthBytes); r.most > most {
			t.Errorf("%.20q: %d bytes were held, want at most %d", test.request, r.most, most)
		}
		if held := r.workers[0].memory.Held(); held != clientBytes {
			t.Errorf("%.20q: %d bytes are held at the end", test.request, held-clientBytes)
		}
	}
}
