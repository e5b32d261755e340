// What a node of a Redis Cluster says instead of carrying out a request. It has executed nothing of it then, unless a script has made
// up the text.

package resp

import (
	"bytes"
	"strconv"
)

// ClusterError is the kind of such a reply.
type ClusterError uint8

const (
	NoClusterError ClusterError = iota // any other reply
	Moved                              // another node has the slot from now on
	Ask                                // another node has the key, which asks for ASKING before the request
	TryAgain                           // the slot is moving, and one node has some of the keys, another one the others
	ClusterDown                        // the slot, or the whole cluster, has no master for now
	CrossSlot                          // the keys are in several slots
)

var clusterErrorNames = [...]string{"", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "CROSSSLOT"}

func (e ClusterError) String() string { return clusterErrorNames[e] }

// ClusterErrorOf returns the kind of a whole reply.
func ClusterErrorOf(reply []byte) ClusterError {
	if !IsError(reply) {
		return NoClusterError
	}
	code := errorCode(reply)
	for e, name := range clusterErrorNames[1:] {
		if string(code) == name {
			return ClusterError(e + 1)
		}
	}
	return NoClusterError
}

// errorCode returns the first word of an error reply.
func errorCode(reply []byte) []byte {
	code, _, spaced := bytes.Cut(reply[1:], []byte(" "))
	if !spaced {
		code = bytes.TrimSuffix(code, []byte(crlf))
	}
	return code
}

// Redirect is where MOVED and ASK lead.
type Redirect struct {
	Slot int
	Host []byte // empty: the host of the node that says so; an address of IPv6 is without brackets
	Port int    // 1 ≤ Port < 65536
}

// maxSlot is the number of slots of a cluster, less one.
const maxSlot = 16383

// ParseRedirect takes a MOVED or ASK apart: "MOVED slot host:port". It reports false for what does not lead anywhere, such as the host
// "?", which stands for a name that the node does not know. Host is a part of reply.
func ParseRedirect(reply []byte) (to Redirect, ok bool) {
	if e := ClusterErrorOf(reply); e != Moved && e != Ask {
		return to, false
	}
	words := bytes.Split(bytes.TrimSuffix(reply, []byte(crlf)), []byte(" "))
	if len(words) != 3 {
		return to, false
	}
	address := words[2]
	colon := bytes.LastIndexByte(address, ':')
	if colon < 0 || string(address[:colon]) == "?" {
		return to, false
	}
	slot, okSlot := readNumber(words[1], maxSlot)
	port, okPort := readNumber(address[colon+1:], 65535)
	return Redirect{slot, address[:colon], port}, okSlot && okPort && port > 0
}

// readNumber reads a number without sign or leading zeros that is no greater than most.
func readNumber(text []byte, most int) (n int, ok bool) {
	n, err := strconv.Atoi(string(text))
	return n, err == nil && n >= 0 && n <= most && string(text) == strconv.Itoa(n)
}

// AppendHidden appends what a client gets in place of a MOVED or ASK that cannot be followed: with the words of the node in first place
// it would take itself for a client of the cluster.
func AppendHidden(dst, reply []byte) []byte {
	return AppendError(dst, "ERR the cluster answers "+failureText(reply))
}
