// CLIENT REPLY: which replies a client wants.

package core

import (
	"bytes"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// replyMode is which replies a client wants.
type replyMode uint8

const (
	replyAll      replyMode = iota
	replySkipNext           // none to the next request
	replyNone               // none at all
	replySkipping           // none to the request at hand
)

// isNone tells whether the client wants no reply to the request at hand.
func (m replyMode) isNone() bool { return m >= replyNone }

// forNext returns the mode of the next request.
func (m replyMode) forNext() replyMode {
	switch m {
	case replySkipNext:
		return replySkipping
	case replySkipping:
		return replyAll
	}
	return m
}

// setReplies appends the reply to CLIENT REPLY: only ON has one.
func (c *client) setReplies(out, word []byte) []byte {
	switch {
	case bytes.EqualFold(word, []byte("ON")):
		if !c.session.plain {
			c.session.reply = replyAll
		}
		return resp.AppendSimple(out, "OK")
	case bytes.EqualFold(word, []byte("OFF")):
		c.ownSession().reply = replyNone
		c.session.eachRequest = true
	case bytes.EqualFold(word, []byte("SKIP")):
		if c.session.reply != replyNone {
			c.ownSession().reply = replySkipNext
			c.session.eachRequest = true
		}
	default:
		return resp.AppendError(out, resp.SyntaxError)
	}
	return out
}
