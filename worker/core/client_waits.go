// Requests that wait, unprocessed, until others are answered: those after which the client's requests go over other server
// connections, since two connections keep no order between them, and those behind one that waits in a server.

package core

// clientWait is what the client's next request waits for. The client is not read meanwhile.
type clientWait uint8

const (
	waitsForNothing clientWait = iota
	waitsBehind                // for the replies to all requests so far
	waitsForReplies            // so does the request at hand, for those before it
	waitsForServers            // the request at hand, for them to tell whether they speak RESP3
	waitsForUnpause            // the request at hand, for the end of CLIENT PAUSE
)

// caughtUp tells whether all requests before the one at hand are answered. If not, its caller leaves it as it is: it is looked at
// again when they are.
func (c *client) caughtUp() bool {
	if c.head == nil {
		return true
	}
	c.waits = waitsForReplies
	return false
}

// waitBehind leaves the requests behind the one at hand until that is answered.
func (c *client) waitBehind() { c.waits = waitsBehind }

// isPutBack tells whether the request at hand waits, and undoes what it has done.
func (c *client) isPutBack() bool {
	if c.waits < waitsForReplies {
		return false
	}
	c.counted = c.counted || c.waits != waitsForUnpause
	if c.session.reply == replySkipping {
		c.session.reply = replySkipNext
	}
	if t := c.session.tracking; t != nil && t.caching == cachingThis {
		t.caching = cachingNext
	}
	return true
}

// holdsBack tells whether what the next request waits for has not come.
func (c *client) holdsBack() bool {
	return c.waits >= waitsForServers || c.waits != waitsForNothing && c.head != nil
}
