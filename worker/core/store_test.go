// The model: what one Redis would answer. Fake servers execute it, and so does the test for each client alone.

package core

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// store is a Redis of a few commands.
type store map[string]string

// storeSession is what a store keeps for one connection: the requests since MULTI.
type storeSession struct {
	multi  bool
	queued [][]string
}

// serve is execute for a connection that may be in a transaction.
func (s store) serve(dst []byte, session *storeSession, args ...string) []byte {
	switch name := strings.ToLower(args[0]); {
	case name == "multi":
		session.multi = true
		return resp.AppendSimple(dst, "OK")
	case name == "exec":
		dst = resp.AppendArray(dst, len(session.queued))
		for _, args := range session.queued {
			dst = s.execute(dst, args...)
		}
		*session = storeSession{}
		return dst
	case session.multi:
		session.queued = append(session.queued, args)
		return resp.AppendSimple(dst, "QUEUED")
	}
	return s.execute(dst, args...)
}

// execute appends the reply to a request.
func (s store) execute(dst []byte, args ...string) []byte {
	switch strings.ToLower(args[0]) {
	case "ping":
		return resp.AppendSimple(dst, "PONG")
	case "echo":
		return resp.AppendBulkString(dst, args[1])
	case "get":
		return s.appendValue(dst, args[1])
	case "set":
		s[args[1]] = args[2]
		return resp.AppendSimple(dst, "OK")
	case "incr":
		n, err := strconv.ParseInt(s[args[1]], 10, 64)
		if err != nil && s[args[1]] != "" {
			return resp.AppendError(dst, resp.NotAnInteger)
		}
		s[args[1]] = strconv.FormatInt(n+1, 10)
		return resp.AppendInt(dst, n+1)
	case "mget":
		dst = resp.AppendArray(dst, len(args)-1)
		for _, key := range args[1:] {
			dst = s.appendValue(dst, key)
		}
		return dst
	case "mset":
		for i := 1; i < len(args); i += 2 {
			s[args[i]] = args[i+1]
		}
		return resp.AppendSimple(dst, "OK")
	case "del":
		return resp.AppendInt(dst, s.count(args[1:], true))
	case "exists":
		return resp.AppendInt(dst, s.count(args[1:], false))
	}
	panic("the model has no " + args[0])
}

func (s store) appendValue(dst []byte, key string) []byte {
	if value, ok := s[key]; ok {
		return resp.AppendBulkString(dst, value)
	}
	return resp.AppendNull(dst)
}

func (s store) count(keys []string, remove bool) (n int64) {
	for _, key := range keys {
		if _, ok := s[key]; ok {
			n++
			if remove {
				delete(s, key)
			}
		}
	}
	return n
}

// workload is what one client asks and must hear, which nobody else can change: its keys are its own.
type workload struct {
	random  *rand.Rand
	prefix  string
	long    bool // some requests have thousands of keys, or several large values
	store   store
	session storeSession
	asks    []byte
	hears   []byte
}

// add appends one more request and its reply.
func (w *workload) add() {
	switch w.random.IntN(13) {
	case 0:
		w.asks = append(w.asks, redisRequestOf("PING")...)
		w.hears = append(w.hears, "+PONG\r\n"...)
	case 1:
		value := w.value()
		w.asks = append(w.asks, redisRequestOf("ECHO", value)...)
		w.hears = resp.AppendBulkString(w.hears, value)
	case 2:
		w.asks = append(w.asks, "NoSuch\r\n"...)
		w.hears = append(w.hears, "-ERR unknown command 'NoSuch', with args beginning with: \r\n"...)
	case 3:
		w.ask("mget", w.keys()...)
	case 4:
		w.ask("DEL", w.keys()...)
	case 5:
		w.ask("Exists", w.keys()...)
	case 6:
		var pairs []string
		keys := w.keys()
		for i, key := range keys {
			if len(keys) > manyKeys {
				pairs = append(pairs, key, strconv.Itoa(i))
			} else {
				pairs = append(pairs, key, w.value())
			}
		}
		w.ask("MSET", pairs...)
	case 7, 8:
		w.ask("INCR", w.key())
	case 9:
		w.ask("SET", w.key(), w.value())
	case 10:
		w.addTransaction()
	default:
		w.ask("GET", w.key())
	}
}

// addTransaction appends a transaction about one key, so that it is of one server.
func (w *workload) addTransaction() {
	key := w.key()
	w.ask("MULTI")
	for range w.random.IntN(6) {
		switch w.random.IntN(6) {
		case 0:
			w.ask("PING")
		case 1:
			w.ask("ECHO", w.value())
		case 2:
			w.ask("mget", key, key, key)
		case 3:
			w.ask("INCR", key)
		case 4:
			w.ask("SET", key, w.value())
		default:
			w.ask("GET", key)
		}
	}
	w.ask("EXEC")
}

// ask appends a request for the servers, now and then the way a person would type it.
func (w *workload) ask(name string, args ...string) {
	args = append([]string{name}, args...)
	if line := strings.Join(args, " "); w.random.IntN(8) == 0 && len(line) < 1000 {
		w.asks = append(w.asks, line+"\r\n"...)
	} else {
		w.asks = append(w.asks, redisRequestOf(args...)...)
	}
	w.hears = w.store.serve(w.hears, &w.session, args...)
}

func (w *workload) key() string { return fmt.Sprint(w.prefix, w.random.IntN(9)) }

const manyKeys = 1000

func (w *workload) keys() (keys []string) {
	if w.long && w.random.IntN(3) == 0 {
		for range manyKeys + 1 + w.random.IntN(9*manyKeys) {
			keys = append(keys, fmt.Sprint(w.prefix, "many:", w.random.IntN(5*manyKeys)))
		}
		return keys
	}
	for range 1 + w.random.IntN(7) {
		keys = append(keys, w.key())
	}
	return keys
}

// value is a number, a word, or once in a while what fills buffers.
func (w *workload) value() string {
	switch n := w.random.IntN(100); {
	case n == 0, w.long && n < 20:
		return strings.Repeat("X", w.random.IntN(150_000))
	case n < 10:
		return strings.Repeat("x", w.random.IntN(5000))
	case n < 50:
		return strconv.Itoa(w.random.IntN(1000))
	}
	return "word"
}
