// What ACL LOG tells: the latest requests that users were not permitted to send, and wrong passwords. Each worker notes its own; who
// asks is told those of all.

package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
)

const (
	mostACLEntries  = 128         // as in Redis
	usualACLEntries = 10          // that are told of, likewise
	mostShownBytes  = 128         // of a key, a channel or a name
	groupNanos      = int64(60e9) // entries that differ in nothing else are one, as in Redis
)

// opACLLog is how ACL LOG is told from the requests about clients, which all workers are asked as well. Its row in the table is no local one.
const opACLLog = resp.NumLocalOps

// opOf returns what all workers are asked to do by a request of cmd; 0: nothing.
func opOf(cmd *resp.Command) resp.LocalOp {
	switch {
	case cmd.Name == "acl|log":
		return opACLLog
	case isClientsRequest(cmd.Local):
		return cmd.Local
	}
	return 0
}

// aclEntry is a line of it, also as workers tell each other: a field keeps its name and its meaning.
type aclEntry struct {
	Reason  string `json:"reason"`
	Context string `json:"context"`
	Object  []byte `json:"object"`
	User    []byte `json:"user"`
	Client  []byte `json:"client"`
	Count   int    `json:"count"`
	Created int64  `json:"created"` // ns, CLOCK_MONOTONIC
	Last    int64  `json:"last"`    // likewise
}

// isLike tells whether two entries differ in nothing but who and when.
func (e *aclEntry) isLike(other *aclEntry) bool {
	return e.Reason == other.Reason && e.Context == other.Context && bytes.Equal(e.Object, other.Object) && bytes.Equal(e.User, other.User)
}

// aclLog has the latest entry first. Loop only.
type aclLog struct{ entries []*aclEntry }

// add notes a request that the client's user may not send.
func (al *aclLog) add(c *client, cmd *resp.Command, d acl.Denial) {
	e := &aclEntry{Reason: "command", Object: []byte(cmd.Name), User: []byte(c.userName())}
	switch d.Reason {
	case acl.NoCommand:
	case acl.NoChannel:
		e.Reason, e.Object = "channel", beginningOf(d.Object)
	default:
		e.Reason, e.Object = "key", beginningOf(d.Object)
	}
	al.note(c, e)
}

// addLogin notes a wrong password.
func (al *aclLog) addLogin(c *client, name []byte) {
	al.note(c, &aclEntry{Reason: "auth", Object: []byte("AUTH"), User: beginningOf(name)})
}

func beginningOf(b []byte) []byte { return bytes.Clone(b[:min(len(b), mostShownBytes)]) }

func (al *aclLog) note(c *client, e *aclEntry) {
	now := c.pool.l.now
	e.Context = "toplevel"
	if c.session.tx != nil {
		e.Context = "multi"
	}
	at := slices.IndexFunc(al.entries, func(known *aclEntry) bool { return now-known.Last < groupNanos && known.isLike(e) })
	switch {
	case at >= 0:
		e = al.entries[at]
	case len(al.entries) < mostACLEntries:
		al.entries = append(al.entries, nil)
		fallthrough
	default:
		at = len(al.entries) - 1
		e.Client, e.Created = c.briefly(), now
	}
	e.Count, e.Last = e.Count+1, now
	copy(al.entries[1:at+1], al.entries[:at])
	al.entries[0] = e
}

// briefly describes a client as ACL LOG does.
func (c *client) briefly() []byte {
	return fmt.Appendf(nil, "id=%d addr=%s name=%s user=%s", c.id, c.peer(), c.session.name, c.userName())
}

// parseACLLog reads [count | RESET].
func (o *clientsRequest) parseACLLog(b []byte, args []resp.Span) (failure string) {
	o.latest = usualACLEntries
	switch {
	case len(args) > 1:
		return resp.SyntaxError
	case len(args) == 1 && isWord(b, args[0], "RESET"):
		o.forgets = true
	case len(args) == 1:
		n, ok := resp.ParseInt(args[0].Of(b))
		if !ok {
			return resp.NotAnInteger
		}
		o.latest = int(max(0, min(n, mostACLEntries)))
	}
	return ""
}

// tellACLLog writes the pool's latest entries, a line for each, or forgets them.
func (s *clientsScan) tellACLLog() {
	al := &s.pool.users.log
	if s.asks.forgets {
		*al = aclLog{}
		return
	}
	for _, e := range al.entries[:min(len(al.entries), s.asks.latest)] {
		line, _ := json.Marshal(e) // of types that always have a form
		s.write(append(line, '\n'))
	}
}

// appendACLLog appends the reply that the lines of all workers make.
func (o *clientsRequest) appendACLLog(out []byte, v resp.Version, text []byte) []byte {
	var all []aclEntry
	for line := range bytes.Lines(text) {
		var e aclEntry
		if json.Unmarshal(line, &e) == nil {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b aclEntry) int { return cmp.Compare(b.Last, a.Last) })
	all = all[:min(len(all), o.latest)]
	out = resp.AppendArray(out, len(all))
	for i := range all {
		out = all[i].append(out, v, o.asked)
	}
	return out
}

// append appends the entry as Redis 7.0 has it.
func (e *aclEntry) append(out []byte, v resp.Version, now int64) []byte {
	out = v.AppendMap(out, 7)
	out = resp.AppendInt(resp.AppendBulkString(out, "count"), int64(e.Count))
	out = resp.AppendBulkString(resp.AppendBulkString(out, "reason"), e.Reason)
	out = resp.AppendBulkString(resp.AppendBulkString(out, "context"), e.Context)
	out = resp.AppendBulk(resp.AppendBulkString(out, "object"), e.Object)
	out = resp.AppendBulk(resp.AppendBulkString(out, "username"), e.User)
	age := fmt.Sprintf("%.3f", float64(max(0, now-e.Created))/1e9)
	out = resp.AppendBulkString(resp.AppendBulkString(out, "age-seconds"), age)
	return resp.AppendBulk(resp.AppendBulkString(out, "client-info"), e.Client)
}
