// Requests and the replies they must get, as forms to fill in: all that differs between protocols.

package load

import "fmt"

// form is a message: a head, then before, key, middle, value and after for each key, then a tail. {v} stands for the
// length of a value, {k} for that of a key, {n} for the number of keys, {a} and {b} for the number of arguments where
// each key brings one or two, {q} for what Redis says to each command that it queues.
type form struct {
	head     string
	before   string
	hasKey   bool
	middle   string
	hasValue bool
	after    string
	tail     string
}

// exchange is a request and its reply.
type exchange struct{ request, reply form }

// dialect is what a protocol says for each operation.
type dialect struct{ get, set, mget, mset, miss, multi *exchange }

var dialects = map[Protocol]dialect{
	Redis: { // https://redis.io/docs/latest/develop/reference/protocol-spec/
		get: &exchange{
			request: form{head: "*2\r\n$3\r\nGET\r\n", before: "${k}\r\n", hasKey: true, after: "\r\n"},
			reply:   form{before: "${v}\r\n", hasValue: true, after: "\r\n"},
		},
		set: &exchange{
			request: form{head: "*3\r\n$3\r\nSET\r\n", before: "${k}\r\n", hasKey: true, middle: "\r\n${v}\r\n",
				hasValue: true, after: "\r\n"},
			reply: form{head: "+OK\r\n"},
		},
		mget: &exchange{
			request: form{head: "*{a}\r\n$4\r\nMGET\r\n", before: "${k}\r\n", hasKey: true, after: "\r\n"},
			reply:   form{head: "*{n}\r\n", before: "${v}\r\n", hasValue: true, after: "\r\n"},
		},
		mset: &exchange{
			request: form{head: "*{b}\r\n$4\r\nMSET\r\n", before: "${k}\r\n", hasKey: true, middle: "\r\n${v}\r\n",
				hasValue: true, after: "\r\n"},
			reply: form{head: "+OK\r\n"},
		},
		miss: &exchange{
			request: form{head: "*2\r\n$3\r\nGET\r\n", before: "${k}\r\n", hasKey: true, after: "\r\n"},
			reply:   form{head: "$-1\r\n"},
		},
		multi: &exchange{
			request: form{head: "*1\r\n$5\r\nMULTI\r\n", before: "*2\r\n$3\r\nGET\r\n${k}\r\n", hasKey: true, after: "\r\n",
				tail: "*1\r\n$4\r\nEXEC\r\n"},
			reply: form{head: "+OK\r\n{q}*{n}\r\n", before: "${v}\r\n", hasValue: true, after: "\r\n"},
		},
	},
	Memcache: { // https://github.com/memcached/memcached/blob/master/doc/protocol.txt
		get: &exchange{
			request: form{head: "get ", hasKey: true, tail: "\r\n"},
			reply: form{before: "VALUE ", hasKey: true, middle: " 0 {v}\r\n", hasValue: true, after: "\r\n",
				tail: "END\r\n"},
		},
		set: &exchange{
			request: form{head: "set ", hasKey: true, middle: " 0 0 {v}\r\n", hasValue: true, tail: "\r\n"},
			reply:   form{head: "STORED\r\n"},
		},
		mget: &exchange{
			request: form{head: "get", before: " ", hasKey: true, tail: "\r\n"},
			reply: form{before: "VALUE ", hasKey: true, middle: " 0 {v}\r\n", hasValue: true, after: "\r\n",
				tail: "END\r\n"},
		},
		miss: &exchange{
			request: form{head: "get ", hasKey: true, tail: "\r\n"},
			reply:   form{head: "END\r\n"},
		},
	},
}

// exchanges returns what an operation usually says, and what it says instead one time in ten.
func (d dialect) exchanges(o Operation) (usual, other *exchange, err error) {
	switch o {
	case Get:
		usual, other = d.get, d.get
	case Set:
		usual, other = d.set, d.set
	case MGet:
		usual, other = d.mget, d.mget
	case MSet:
		usual, other = d.mset, d.mset
	case Miss:
		usual, other = d.miss, d.miss
	case Multi:
		usual, other = d.multi, d.multi
	case Mixed:
		usual, other = d.get, d.set
	default:
		return nil, nil, fmt.Errorf("unknown workload %q; it is one of %v", o, Operations())
	}
	if usual == nil {
		return nil, nil, fmt.Errorf("the protocol has no %s", o)
	}
	return usual, other, nil
}
