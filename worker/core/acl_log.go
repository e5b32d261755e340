// What ACL LOG tells: the latest requests that users were not permitted to send, and wrong passwords, of this worker.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
)

const (
	mostACLEntries = 128         // as in Redis
	mostShownBytes = 128         // of a key, a channel or a name
	groupNanos     = int64(60e9) // entries that differ in nothing else are one, as in Redis
)

// aclEntry is a line of it.
type aclEntry struct {
	reason, context, object, user, client string

	id            uint64
	count         int
	created, last int64 // ns
}

// aclLog has the latest entry first. Loop only.
type aclLog struct {
	entries []*aclEntry
	lastID  uint64
}

// add notes a request that the client's user may not send.
func (al *aclLog) add(c *client, cmd *resp.Command, d acl.Denial) {
	reason, object := "command", cmd.Name
	switch d.Reason {
	case acl.NoCommand:
	case acl.NoChannel:
		reason, object = "channel", shownObject(d.Object)
	default:
		reason, object = "key", shownObject(d.Object)
	}
	al.note(c, reason, object, c.userName())
}

// addLogin notes a wrong password.
func (al *aclLog) addLogin(c *client, name []byte) {
	al.note(c, "auth", "AUTH", shownObject(name))
}

func shownObject(b []byte) string { return string(b[:min(len(b), mostShownBytes)]) }

func (al *aclLog) note(c *client, reason, object, user string) {
	now, context := c.pool.l.now, "toplevel"
	if c.session.tx != nil {
		context = "multi"
	}
	for i, e := range al.entries {
		if now-e.last < groupNanos && e.reason == reason && e.context == context && e.object == object && e.user == user {
			e.count, e.last = e.count+1, now
			copy(al.entries[1:i+1], al.entries[:i])
			al.entries[0] = e
			return
		}
	}
	e := &aclEntry{reason: reason, context: context, object: object, user: user, client: c.briefly(), id: al.lastID, count: 1, created: now, last: now}
	al.lastID++
	if len(al.entries) < mostACLEntries {
		al.entries = append(al.entries, nil)
	}
	copy(al.entries[1:], al.entries)
	al.entries[0] = e
}

// briefly describes a client as ACL LOG does.
func (c *client) briefly() string {
	return fmt.Sprintf("id=%d addr=%s name=%s user=%s", c.id, c.peer(), c.session.name, c.userName())
}

// append appends the latest entries, so many at most, as version has them.
func (al *aclLog) append(out []byte, v resp.Version, most int, now int64) []byte {
	entries := al.entries[:min(most, len(al.entries))]
	out = resp.AppendArray(out, len(entries))
	for _, e := range entries {
		out = v.AppendMap(out, 10)
		out = resp.AppendInt(resp.AppendBulkString(out, "count"), int64(e.count))
		for _, pair := range [...][2]string{{"reason", e.reason}, {"context", e.context}, {"object", e.object}, {"username", e.user}} {
			out = resp.AppendBulkString(resp.AppendBulkString(out, pair[0]), pair[1])
		}
		age := fmt.Sprintf("%.3f", float64(now-e.created)/1e9)
		out = resp.AppendBulkString(resp.AppendBulkString(out, "age-seconds"), age)
		out = resp.AppendBulkString(resp.AppendBulkString(out, "client-info"), e.client)
		out = resp.AppendInt(resp.AppendBulkString(out, "entry-id"), int64(e.id))
		out = resp.AppendInt(resp.AppendBulkString(out, "timestamp-created"), e.created/1e6)
		out = resp.AppendInt(resp.AppendBulkString(out, "timestamp-last-updated"), e.last/1e6)
	}
	return out
}
