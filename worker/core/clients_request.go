// Requests about all clients of a pool, whichever worker has them: CLIENT LIST, KILL, PAUSE, UNPAUSE and UNBLOCK, and which clients
// they mean.

package core

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// clientsRequest is a request about clients of a pool.
type clientsRequest struct {
	op     resp.LocalOp
	asker  uint64 // id of the client that asks
	filter clientFilter
	single bool // CLIENT KILL with an address only: there must be such a client

	pause      time.Duration // of CLIENT PAUSE
	writesOnly bool
	latest     int   // of ACL LOG: so many entries are told of
	forgets    bool  // likewise: none is known any more
	asked      int64 // ns: when
	withError  bool  // of CLIENT UNBLOCK: the client that waits is told
}

// clientFilter says which clients are meant: those that all of this is true of.
type clientFilter struct {
	ids         []uint64 // sorted: its id is one of these; nil: whichever
	addr, laddr string
	user        []byte // it is that user; nil: whichever
	kind        string // normal, pubsub, or one that there are no clients of; empty: whichever
	skip        uint64 // it has another id; 0: whichever
	age         int64  // seconds that it has been connected at least
}

// matches tells whether c is meant.
func (f *clientFilter) matches(c *client) bool {
	if f.kind != "" && f.kind != c.kind() || c.id == f.skip {
		return false
	}
	if f.ids != nil {
		if _, found := slices.BinarySearch(f.ids, c.id); !found {
			return false
		}
	}
	if f.user != nil && !c.isUser(f.user) {
		return false
	}
	return c.age() >= f.age && (f.addr == "" || f.addr == c.peer()) && (f.laddr == "" || f.laddr == sock.LocalAddress(c.stream.FD()))
}

// parseClientsRequest reads a request that a client with this id sends, or returns the text of the error.
func parseClientsRequest(op resp.LocalOp, asker uint64, b []byte, args []resp.Span) (o clientsRequest, failure string) {
	o = clientsRequest{op: op, asker: asker}
	name, args := args[1].Of(b), args[2:]
	switch op {
	case resp.LocalClientList:
		failure = o.filter.parseList(b, args)
	case resp.LocalClientKill:
		failure = o.parseKill(b, args)
	case resp.LocalClientPause:
		failure = o.parsePause(name, b, args)
	case opACLLog:
		failure = o.parseACLLog(b, args)
	case resp.LocalClientUnblock:
		failure = o.parseUnblock(name, b, args)
	}
	return o, failure
}

// parseList reads [TYPE type | ID id…].
func (f *clientFilter) parseList(b []byte, args []resp.Span) (failure string) {
	switch {
	case len(args) == 0:
		return ""
	case len(args) == 2 && isWord(b, args[0], "TYPE"):
		return f.parseType(args[1].Of(b))
	case len(args) < 2 || !isWord(b, args[0], "ID"):
		return resp.SyntaxError
	}
	for _, a := range args[1:] {
		id, ok := resp.ParseInt(a.Of(b))
		if !ok {
			return "ERR Invalid client ID"
		}
		f.ids = append(f.ids, uint64(id))
	}
	slices.Sort(f.ids)
	return ""
}

// parseKill reads either the address of one client or names and values of what is true of the clients that are meant.
func (o *clientsRequest) parseKill(b []byte, args []resp.Span) (failure string) {
	f := &o.filter
	if len(args) == 1 {
		o.single, f.addr = true, string(args[0].Of(b))
		return ""
	}
	f.skip = o.asker
	for ; len(args) > 0; args = args[2:] {
		if len(args) < 2 {
			return resp.SyntaxError
		}
		value := args[1].Of(b)
		switch {
		case isWord(b, args[0], "ID"):
			id, ok := resp.ParseInt(value)
			if !ok || id < 1 {
				return "ERR client-id should be greater than 0"
			}
			f.ids = []uint64{uint64(id)}
		case isWord(b, args[0], "TYPE"):
			failure = f.parseType(value)
		case isWord(b, args[0], "ADDR"):
			f.addr = string(value)
		case isWord(b, args[0], "LADDR"):
			f.laddr = string(value)
		case isWord(b, args[0], "USER"):
			f.user = bytes.Clone(value)
		case isWord(b, args[0], "SKIPME"):
			failure = o.parseSkipMe(value)
		case isWord(b, args[0], "MAXAGE"):
			failure = f.parseAge(value)
		default:
			failure = resp.SyntaxError
		}
		if failure != "" {
			return failure
		}
	}
	return ""
}

func (o *clientsRequest) parseSkipMe(value []byte) (failure string) {
	switch {
	case bytes.EqualFold(value, []byte("yes")):
		o.filter.skip = o.asker
	case bytes.EqualFold(value, []byte("no")):
		o.filter.skip = 0
	default:
		return resp.SyntaxError
	}
	return ""
}

func (f *clientFilter) parseAge(value []byte) (failure string) {
	age, ok := resp.ParseInt(value)
	switch {
	case !ok:
		return "ERR maxage is not an integer or out of range"
	case age < 1:
		return "ERR maxage should be greater than 0"
	}
	f.age = age
	return ""
}

// parseType reads a kind of clients. Replicas and masters do not connect to a proxy.
func (f *clientFilter) parseType(kind []byte) (failure string) {
	switch word := string(bytes.ToLower(kind)); word {
	case "normal", "pubsub", "master", "slave", "replica":
		f.kind = word
		return ""
	}
	return fmt.Sprintf("ERR Unknown client type '%.128s'", kind)
}

// parseUnblock reads id [TIMEOUT | ERROR].
func (o *clientsRequest) parseUnblock(name, b []byte, args []resp.Span) (failure string) {
	switch {
	case len(args) > 2:
		return wrongSubcommand(name)
	case len(args) == 2 && isWord(b, args[1], "ERROR"):
		o.withError = true
	case len(args) == 2 && !isWord(b, args[1], "TIMEOUT"):
		return "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
	}
	id, ok := resp.ParseInt(args[0].Of(b))
	if !ok {
		return resp.NotAnInteger
	}
	o.filter.ids = []uint64{uint64(id)}
	return ""
}

// wrongSubcommand words that a subcommand of CLIENT has too many arguments.
func wrongSubcommand(name []byte) string {
	return fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try CLIENT HELP.", name)
}

// parsePause reads milliseconds [WRITE | ALL].
func (o *clientsRequest) parsePause(name, b []byte, args []resp.Span) (failure string) {
	switch {
	case len(args) > 2:
		return wrongSubcommand(name)
	case len(args) == 2 && isWord(b, args[1], "WRITE"):
		o.writesOnly = true
	case len(args) == 2 && !isWord(b, args[1], "ALL"):
		return "ERR CLIENT PAUSE mode must be WRITE or ALL"
	}
	ms, ok := resp.ParseInt(args[0].Of(b))
	switch {
	case !ok || ms > int64(longestPause/time.Millisecond):
		return "ERR timeout is not an integer or out of range"
	case ms < 0:
		return "ERR timeout is negative"
	}
	o.pause = time.Duration(ms) * time.Millisecond
	return ""
}

// longestPause is more than anybody means.
const longestPause = 100 * 365 * 24 * time.Hour

func isWord(b []byte, arg resp.Span, word string) bool {
	return bytes.EqualFold(arg.Of(b), []byte(word))
}

// appendReply appends the reply, in that version, to a request that has concerned count clients, whose descriptions are text.
func (o *clientsRequest) appendReply(dst []byte, v resp.Version, count int, text []byte) []byte {
	switch {
	case o.op == opACLLog && !o.forgets:
		return o.appendACLLog(dst, v, text)
	case o.op == resp.LocalClientList:
		return v.AppendVerbatim(dst, text)
	case o.op == resp.LocalClientKill && !o.single, o.op == resp.LocalClientUnblock:
		return resp.AppendInt(dst, int64(count))
	case o.op == resp.LocalClientKill && count == 0:
		return resp.AppendError(dst, "ERR No such client")
	}
	return resp.AppendSimple(dst, "OK")
}
