// The greeting: what a fresh server connection must agree to before it gets requests, AUTH and SELECT.

package core

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

var errGreeting = errors.New("server refuses AUTH or SELECT")

// composeGreeting writes AUTH and SELECT, as far as the pool has a password and a database.
func (p *pool) composeGreeting() {
	if p.spec.Password != "" {
		p.greeting = resp.AppendArray(p.greeting, 2)
		p.greeting = resp.AppendBulkString(p.greeting, "AUTH")
		p.greeting = resp.AppendBulkString(p.greeting, p.spec.Password)
		p.greetings++
	}
	if p.spec.DB > 0 {
		p.greeting = resp.AppendArray(p.greeting, 2)
		p.greeting = resp.AppendBulkString(p.greeting, "SELECT")
		p.greeting = resp.AppendBulkString(p.greeting, fmt.Sprint(p.spec.DB))
		p.greetings++
	}
}

// greetingTime is how long a server may keep silent before it has answered the greeting, in ns. Where the pool has no
// timeout it is longer than Redis lets a script keep it from answering (busy-reply-threshold, 5 s).
func (p *pool) greetingTime() int64 {
	if p.timeout > 0 {
		return p.timeout
	}
	return int64(10 * time.Second)
}

// greeted handles a reply to the greeting. Requests are sent only after all replies were good: one that ran in the wrong
// database would be silently wrong. A server without a password accepts any.
func (c *conn) greeted(reply []byte) error {
	p := c.endpoint.pool
	toAuth := p.spec.Password != "" && c.greetings == p.greetings
	switch {
	case p.greetings == 0 && !isServing(p.spec.Protocol, reply):
		return &refusal{bytes.Clone(reply)}
	case toAuth && resp.AsksNoPassword(reply):
		c.endpoint.warnOpen()
	case p.greetings > 0 && resp.IsError(reply):
		return fmt.Errorf("%w: %.200s", errGreeting, reply[1:len(reply)-2])
	case toAuth:
		c.endpoint.open = false
	}
	c.greetings--
	if c.greetings == 0 {
		c.becomeReady()
	}
	return nil
}
