// What a client says about itself, and asks about itself, by CLIENT.

package core

import (
	"bytes"
	"fmt"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
)

func (c *client) answerSetName(out, name []byte) []byte { return appendOutcome(out, c.setName(name)) }

func (c *client) getName(out []byte) []byte {
	name := c.session.name
	if name == "" {
		return c.version().AppendNull(out)
	}
	return resp.AppendBulkString(out, name)
}

func (c *client) answerSetInfo(out, b []byte, args []resp.Span) []byte {
	return appendOutcome(out, c.setInfo(args[2].Of(b), args[3].Of(b)))
}

func (c *client) getID(out []byte) []byte { return resp.AppendInt(out, int64(c.id)) }

// describe appends the reply to CLIENT INFO.
func (c *client) describe(out []byte) []byte {
	return c.version().AppendVerbatim(out, c.appendDescription(nil))
}

// noSwitch appends the reply to CLIENT NO-EVICT and NO-TOUCH, whose ON and OFF change nothing here.
func (c *client) noSwitch(out, word []byte) []byte {
	if bytes.EqualFold(word, []byte("ON")) || bytes.EqualFold(word, []byte("OFF")) {
		return resp.AppendSimple(out, "OK")
	}
	return resp.AppendError(out, resp.SyntaxError)
}

// appendOutcome appends +OK, or the error text where there is one.
func appendOutcome(out []byte, failure string) []byte {
	if failure != "" {
		return resp.AppendError(out, failure)
	}
	return resp.AppendSimple(out, "OK")
}

// setName keeps the client's name, or returns the text of the error, if it is none.
func (c *client) setName(name []byte) (failure string) {
	if failure := nameFailure(name); failure != "" {
		return failure
	}
	c.setField(&c.ownSession().name, name)
	return ""
}

// nameFailure returns the text of the error if name can be no client's.
func nameFailure(name []byte) string {
	switch {
	case len(name) > handoff.MaxNameBytes:
		return tooLong("Client names")
	case !printable(name):
		return resp.BadClientName
	}
	return ""
}

// setInfo keeps what CLIENT SETINFO tells, or returns the text of the error, if it is wrong.
func (c *client) setInfo(attribute, value []byte) (failure string) {
	switch {
	case len(value) > handoff.MaxNameBytes:
		return tooLong(fmt.Sprintf("%.128s", attribute))
	case bytes.EqualFold(attribute, []byte("LIB-NAME")) && printable(value):
		c.setField(&c.ownSession().libName, value)
	case bytes.EqualFold(attribute, []byte("LIB-VER")) && printable(value):
		c.setField(&c.ownSession().libVersion, value)
	case printable(value):
		return fmt.Sprintf("ERR Unrecognized option '%.128s'", attribute)
	default:
		return fmt.Sprintf("ERR %.128s cannot contain spaces, newlines or special characters.", attribute)
	}
	return ""
}

// tooLong words that something a client has set is too long.
func tooLong(what string) string {
	return fmt.Sprintf("ERR %s cannot be longer than %d bytes.", what, handoff.MaxNameBytes)
}

// printable tells whether CLIENT LIST of Redis could show s: no spaces, no control characters.
func printable(s []byte) bool {
	for _, ch := range s {
		if ch < '!' || ch > '~' {
			return false
		}
	}
	return true
}
