// A server of Redis: the password, the database, what it is, and how many connections it takes.

package reach

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// redis asks what a worker asks at its start, and then for what would hurt later.
func (v *visit) redis() {
	if !v.login(v.pool.ServerLogin()) || !v.pings() {
		return
	}
	info := v.info()
	switch v.role {
	case asServer:
		if v.isServer(info) {
			v.hasDatabases()
		}
	case asReplica:
		if info["role"] == "master" {
			v.warn("is no replica: reads there find nothing of its server's writes", "name a replica, or have it replicate: REPLICAOF")
		}
	case asNode:
		v.isNode(info)
	}
	v.hasRoom(info)
}

// login gives the password, if there is one.
func (v *visit) login(login link.Login) bool {
	words := login.Words()
	if words == nil {
		return true
	}
	r, err := v.ask(words...)
	switch {
	case err != nil:
		v.broken(err)
	case r.kind != '-':
		return true
	case strings.Contains(r.text, "no password is set"), strings.Contains(r.text, "without any password configured"):
		v.warn("has no password, and takes any", fmt.Sprintf("set requirepass there, or remove %s", v.passwordKey()))
		return true
	case strings.HasPrefix(r.text, "WRONGPASS"), strings.Contains(r.text, "invalid password"):
		v.wrongPassword()
	default:
		v.refused("AUTH", r)
	}
	return false
}

// wrongPassword is what a server says of any user that it does not let in, whatever the reason.
func (v *visit) wrongPassword() {
	user := v.pool.ServerUser
	if user == "" || v.role == asSentinel {
		v.fail("refuses the password", fmt.Sprintf("correct %s, or requirepass there", v.passwordKey()))
		return
	}
	v.fail(fmt.Sprintf("does not let user %q in, who has another password there, is off, or does not exist", user),
		"correct server_user or the password, or see ACL LIST there")
}

// missingPasswordKey names where a password is missing. That of redis_auth is asked of clients, too, who had none until now.
func (v *visit) missingPasswordKey() string {
	if key := v.passwordKey(); key != "redis_auth" {
		return key
	}
	return "server_password, or redis_auth if clients are to give it as well"
}

func (v *visit) passwordKey() string {
	switch {
	case v.role == asSentinel:
		return "sentinel_password"
	case v.pool.ServerPassword != "":
		return "server_password"
	case v.pool.Protocol == link.Redis:
		return "redis_auth"
	}
	return "memcached_auth"
}

// pings asks whether it serves.
func (v *visit) pings() bool {
	begin := time.Now()
	r, err := v.ask("PING")
	switch {
	case err != nil:
		v.broken(err)
		return false
	case r.text == "PONG":
		v.judgeTime(time.Since(begin))
		return true
	case strings.HasPrefix(r.text, "NOAUTH"):
		v.fail("wants a password", "add "+v.missingPasswordKey())
	case strings.HasPrefix(r.text, "LOADING"):
		v.warn("is loading its data, and answers nothing else meanwhile", "wait")
	case strings.HasPrefix(r.text, "MASTERDOWN"):
		v.warn("is a replica that has lost its master", "see whether the master is up")
	case strings.HasPrefix(r.text, "NOPERM"):
		v.warn("does not let its user PING, so nobody can see whether it serves", "add +ping +info +hello +select to that user there")
		return true
	default:
		v.refused("PING", r)
	}
	return false
}

// judgeTime warns of a server that takes longer than its clients would wait.
func (v *visit) judgeTime(took time.Duration) {
	if t := v.pool.Timeout; t > 0 && took > t {
		v.warn(fmt.Sprintf("has taken %v for a PING, and timeout is %v", took.Round(time.Millisecond), t), "raise timeout, or see what keeps it")
	}
}

// info returns what the server tells of itself, as far as it does.
func (v *visit) info() map[string]string {
	fields := map[string]string{}
	r, err := v.ask("INFO")
	if err != nil || r.kind != '$' {
		return fields
	}
	for line := range strings.Lines(r.text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// isServer finds one that is something else.
func (v *visit) isServer(info map[string]string) bool {
	switch {
	case info["redis_mode"] == "sentinel":
		v.fail("is a sentinel, and has no data", "move it to sentinels, and name masters as servers")
		return false
	case info["cluster_enabled"] == "1":
		v.fail("is a node of a cluster", "add cluster: true, and write its nodes as host:port")
		return false
	case info["role"] == "slave":
		v.warn(fmt.Sprintf("is a replica of %s:%s, and refuses writes", info["master_host"], info["master_port"]), "name its master, or sentinels")
	}
	return true
}

// hasDatabases selects the last of the databases that the pool uses.
func (v *visit) hasDatabases() {
	last := max(v.pool.DB, v.pool.Databases-1)
	if last == 0 {
		return
	}
	key := "redis_db"
	if last != v.pool.DB {
		key = "databases"
	}
	r, err := v.ask("SELECT", strconv.Itoa(last))
	switch {
	case err != nil:
		v.broken(err)
	case strings.Contains(r.text, "out of range"):
		v.fail(fmt.Sprintf("has no database %d", last), fmt.Sprintf("lower %s, or raise databases in its redis.conf", key))
	case r.kind == '-':
		v.refused("SELECT", r)
	}
}

// hasRoom compares how many clients the server takes with the connections that it would get.
func (v *visit) hasRoom(info map[string]string) {
	most, err := strconv.Atoi(info["maxclients"])
	if err != nil {
		r, err := v.ask("CONFIG", "GET", "maxclients")
		if err != nil || len(r.items) != 2 {
			return
		}
		most, _ = strconv.Atoi(r.items[1].text)
	}
	v.compare(most, "maxclients")
	if connected, err := strconv.Atoi(info["connected_clients"]); err == nil && most > 0 {
		v.compareNow(most - connected + 1) // one of them is this connection
	}
}

// compareNow compares how many more clients the server takes at the moment with those that connect when workers start.
func (v *visit) compareNow(room int) {
	if room >= v.needs.first || v.fails {
		return
	}
	v.reason = fmt.Sprintf("has room for %d of %d connections that workers open at once (maxclients)", max(room, 0), v.needs.first)
	v.warn(v.reason, "raise maxclients there, or see who has connected: CLIENT LIST")
}

// compare is also for memcached. A reload has connections of two generations for a moment.
func (v *visit) compare(most int, limit string) {
	shared := 2 * v.needs.shared
	if most <= 0 || shared == 0 {
		return
	}
	what := fmt.Sprintf("takes %d clients (%s), and %d workers open up to %d connections, twice as many during a reload", most, limit, v.workers, v.needs.shared)
	if shared > most {
		v.warn(what, fmt.Sprintf("raise %s to %d or more, or lower server_connections, databases or workers", limit, shared+v.needs.dedicated))
	} else if shared+v.needs.dedicated > most {
		v.warn(fmt.Sprintf("%s, and %d for clients that wait, subscribe or watch", what, v.needs.dedicated),
			fmt.Sprintf("raise %s to %d or more, or lower dedicated_connections", limit, shared+v.needs.dedicated))
	}
}

// refused is for an answer that nobody expects.
func (v *visit) refused(command string, r reply) {
	switch {
	case strings.HasPrefix(r.text, "DENIED"):
		v.fail("is in protected mode, and refuses who comes from another host", "give it a password, or set protected-mode no there")
	case strings.Contains(r.text, "max number of clients"):
		v.fail("is full: it has reached its maxclients", "raise maxclients there")
	case strings.HasPrefix(r.text, "NOPERM"):
		v.fail("does not allow "+command, "give the default user more rights there")
	default:
		v.fail(fmt.Sprintf("answers %s with %q", command, shorten(r.text)), "see its log")
	}
}

// shorten keeps a line readable, whatever somebody answers.
func shorten(text string) string {
	const most = 80
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// broken is for an answer that does not come, or is of another protocol.
func (v *visit) broken(err error) {
	_, flaw := certs.Explain(err)
	switch ended := errors.Is(err, io.EOF) || isReset(err); {
	case flaw != nil:
		v.fail(flaw.Message, flaw.Hint)
	case ended && v.client() != nil:
		v.unwelcome(err)
	case ended, errors.Is(err, errForeign):
		v.stranger(err)
	default:
		v.silent(err)
	}
}

func (v *visit) silent(err error) {
	if isTimeout(err) {
		v.fail(fmt.Sprintf("has accepted a connection, and not answered for %v", v.patience), "see whether it hangs, and whether it speaks another protocol")
		return
	}
	v.fail("has broken the connection: "+cause(err), "see its log")
}
