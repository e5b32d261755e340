// What the proxy says of itself, as tools for Redis read it: INFO, COMMAND, CLIENT, ROLE.

package e2e_test

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// fieldsOf returns the fields of an INFO reply, and the names of its sections in order.
func fieldsOf(t *testing.T, reply string) (fields map[string]string, sections []string) {
	t.Helper()
	fields = map[string]string{}
	for line := range strings.SplitSeq(rig.Text(t, reply), "\r\n") {
		if name, ok := strings.CutPrefix(line, "# "); ok {
			sections = append(sections, name)
		} else if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = value
		}
	}
	return fields, sections
}

func TestE2EInfo(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	p := rig.RedisPool(t, servers, "hash: murmur", "server_failure_limit: 1", "auto_eject_hosts: true")
	c := p.Dial()
	for i := range 30 {
		c.WantDo("+OK\r\n", "SET", fmt.Sprint("key", i), "v", "EX", "1000")
	}
	own, ownSections := fieldsOf(t, servers[0].Dial().Do("INFO"))
	got, sections := fieldsOf(t, c.Do("INFO"))
	if want := append(ownSections, "Pinion"); fmt.Sprint(sections) != fmt.Sprint(want) {
		t.Errorf("sections %v, want %v", sections, want)
	}
	for name := range own {
		if _, ok := got[name]; !ok && name != "db0" {
			t.Errorf("no field %s", name)
		}
	}
	for name, want := range map[string]string{
		"redis_version": own["redis_version"], "redis_mode": "standalone", "role": "master", "loading": "0", "connected_clients": "1",
		"maxmemory_policy": "noeviction", "cluster_enabled": "0", "tcp_port": p.Port(), "pool": "pool", "workers": "2", "info_servers": "3",
		"client_connections": "1",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if !strings.HasPrefix(got["db0"], "keys=30,expires=30,avg_ttl=") {
		t.Errorf("db0 is %q", got["db0"])
	}
	if up, err := strconv.Atoi(got["uptime_in_seconds"]); err != nil || up > 600 {
		t.Errorf("up for %q seconds", got["uptime_in_seconds"])
	}
	text := rig.Text(t, c.Do("INFO"))
	if !strings.HasPrefix(text, "# Server\r\nredis_version:") {
		t.Errorf("INFO begins with something else than the version, which tools take from the first line that looks like one: %s", text)
	}
	_, ofPinion, _ := strings.Cut(text, "# Pinion\r\n")
	for _, want := range []string{
		"pinion_version:", "\r\nworker_process_id:", "\r\nworkers:2\r\n", "\r\npool:pool\r\n", "\r\nclient_connections:1\r\n",
		"\r\nserver0:name=s0,", "\r\nserver1:name=s1,", "\r\nserver2:name=s2,", ",state=",
	} {
		if !strings.Contains(ofPinion, want) {
			t.Errorf("no %q in the proxy's section:\n%s", want, ofPinion)
		}
	}
	stats, _ := fieldsOf(t, c.Do("INFO", "commandstats"))
	if !strings.HasPrefix(stats["cmdstat_set"], "calls=30,") {
		t.Errorf("statistics of SET: %q", stats["cmdstat_set"])
	}
	for request, want := range map[string]string{
		"INFO replication": "[Replication]", "INFO Server pinion": "[Server Pinion]", "INFO pinion": "[Pinion]", "INFO nosuch": "[]",
		"INFO clients keyspace": "[Clients Keyspace]",
	} {
		if _, sections := fieldsOf(t, c.Do(strings.Fields(request)...)); fmt.Sprint(sections) != want {
			t.Errorf("%s: %v", request, sections)
		}
	}
	if _, all := fieldsOf(t, c.Do("INFO", "everything")); !slices.Contains(all, "Commandstats") || all[len(all)-1] != "Pinion" {
		t.Errorf("INFO everything: %v", all)
	}
	servers[1].Kill()
	rig.Eventually(t, "INFO without a dead server", func() error {
		if got, _ := fieldsOf(t, c.Do("INFO")); got["info_servers"] != "2" {
			return fmt.Errorf("INFO is of %q servers", got["info_servers"])
		}
		return nil
	})
	servers[0].Kill()
	servers[2].Kill()
	if reply := c.Do("INFO"); !strings.HasPrefix(reply, "-") {
		t.Errorf("INFO of dead servers: %q", reply)
	}
	if _, sections := fieldsOf(t, c.Do("INFO", "pinion")); len(sections) != 1 {
		t.Errorf("INFO pinion: %v", sections)
	}
}

// What COMMAND lists is what may be used, described as the servers describe it.
func TestE2ECommandOfServersLessWhatIsRefused(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	redis, c := servers[0].Dial(), rig.RedisPool(t, servers).Dial()
	described := map[string]string{}
	for _, info := range rig.Elements(t, redis.Do("COMMAND")) {
		described[rig.Text(t, rig.Elements(t, info)[0])] = info
	}
	listed := rig.Elements(t, c.Do("COMMAND"))
	var names []string
	for _, info := range listed {
		name := rig.Text(t, rig.Elements(t, info)[0])
		names = append(names, name)
		subs := rig.Elements(t, info)[9]
		if own := rig.Elements(t, described[name])[9]; info != described[name] && subs == own {
			t.Errorf("%s: %.300q, of the server %.300q", name, info, described[name])
		}
	}
	c.WantDo(fmt.Sprintf(":%d\r\n", len(listed)), "COMMAND", "COUNT")
	for _, name := range []string{"get", "client", "eval", "xread", "info", "command"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not listed", name)
		}
	}
	for _, name := range []string{"psync", "asking", "swapdb", "flushall"} { // the last one is denied where the pool says nothing
		if slices.Contains(names, name) {
			t.Errorf("%s is listed", name)
		}
	}
	var list, subcommands []string
	for _, name := range rig.Elements(t, c.Do("COMMAND", "LIST")) {
		if name := rig.Text(t, name); strings.Contains(name, "|") {
			subcommands = append(subcommands, name)
		} else {
			list = append(list, name)
		}
	}
	if !slices.Contains(subcommands, "config|get") || slices.Contains(subcommands, "config|set") {
		t.Errorf("subcommands are listed: %v", subcommands)
	}
	slices.Sort(list)
	slices.Sort(names)
	if !slices.Equal(list, names) {
		t.Errorf("COMMAND LIST has\n%v\nCOMMAND\n%v", list, names)
	}
	c.WantDo(rig.Array(described["get"], "$-1\r\n", "$-1\r\n"), "COMMAND", "INFO", "get", "psync", "nosuch")
	c.WantDo(redis.Do("COMMAND", "DOCS", "get", "set"), "COMMAND", "DOCS", "get", "psync", "set")
	c.WantDo(redis.Do("COMMAND", "LIST", "FILTERBY", "PATTERN", "xreadg*"), "COMMAND", "LIST", "FILTERBY", "PATTERN", "xreadg*")
	for _, a := range everyCommand(t, redis) {
		for _, sub := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
			args := append([]string{"COMMAND", sub}, a.words...)
			c.WantDo(redis.Do(args...), args...)
		}
	}
	for _, request := range []string{"MSET a 1 b 2", "EVAL x 2 a b c", "XREAD COUNT 1 STREAMS a b 0 0", "ZUNIONSTORE d 2 a b", "SORT a STORE b", "GET"} {
		for _, sub := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
			args := append([]string{"COMMAND", sub}, strings.Fields(request)...)
			c.WantDo(redis.Do(args...), args...)
		}
	}
}

// The clients of a pool are one list, whichever worker has them, and those of another pool are not in it.
func TestE2EClientsOfPool(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	address := [2]string{rig.FreeAddress(t), rig.FreeAddress(t)}
	rig.Pinion(t, rig.Yaml(
		rig.Pool{Name: "one", Listen: address[0], Options: []string{"redis: true"}, Servers: rig.Lines(servers)},
		rig.Pool{Name: "two", Listen: address[1], Options: []string{"redis: true"}, Servers: rig.Lines(servers)},
	), "tcp", address[0])
	dial := func(pool int) *rig.Client { return rig.Dial(t, "tcp", address[pool], rig.ReadRESP) }
	other := dial(1)
	var clients []*rig.Client
	for i := range 20 {
		c := dial(0)
		c.WantDo("+OK\r\n", "CLIENT", "SETNAME", fmt.Sprint("c", i))
		clients = append(clients, c)
	}
	c := clients[0]
	for _, line := range strings.Split(strings.TrimSpace(rig.Text(t, other.Do("CLIENT", "LIST"))), "\n") {
		if strings.Contains(line, " name=c") {
			t.Errorf("a client of another pool: %s", line)
		}
	}
	list := func() (addresses map[string]string) { // by name
		addresses = map[string]string{}
		for line := range strings.Lines(rig.Text(t, c.Do("CLIENT", "LIST"))) {
			fields := map[string]string{}
			for _, field := range strings.Fields(line) {
				name, value, _ := strings.Cut(field, "=")
				fields[name] = value
			}
			if fields["laddr"] != address[0] || fields["id"] == "" || fields["resp"] != "2" {
				t.Errorf("line %q", line)
			}
			addresses[fields["name"]] = fields["addr"]
		}
		return addresses
	}
	all := list()
	for i := range clients {
		name := fmt.Sprint("c", i)
		if all[name] != clients[i].Conn.LocalAddr().String() {
			t.Errorf("%s is at %q", name, all[name])
		}
	}
	for i := 1; i < len(clients); i++ {
		kill := []string{"CLIENT", "KILL", all[fmt.Sprint("c", i)]}
		want := "+OK\r\n"
		if i%2 == 0 {
			kill, want = []string{"CLIENT", "KILL", "ADDR", kill[2]}, ":1\r\n"
		}
		if i%3 == 0 {
			other.WantDo(map[string]string{"+OK\r\n": "-ERR No such client\r\n", ":1\r\n": ":0\r\n"}[want], kill...)
		}
		c.WantDo(want, kill...)
		clients[i].Want(rig.Closed)
	}
	if left := list(); left["c0"] == "" || left["c1"]+left["c2"] != "" {
		t.Errorf("there are %v", left)
	}
	c.WantDo(":0\r\n", "CLIENT", "KILL", "TYPE", "normal")
	c.WantDo("*3\r\n"+rig.Bulk("master")+":0\r\n*0\r\n", "ROLE")
}

// The same in RESP3, whose maps, sets and texts are other bytes; and HELLO tells the servers' version.
func TestE2ESelfInRESP3(t *testing.T) {
	t.Parallel()
	sameAsRedis(t, strings.Split(strings.TrimSpace(`
HELLO 3
COMMAND INFO get nosuch
COMMAND DOCS get nosuch
COMMAND LIST FILTERBY PATTERN xreadg*
COMMAND GETKEYSANDFLAGS SET a b
CLIENT LIST ID 12345
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT KILL ID 12345
ROLE`), "\n"))
	servers := rig.ThreeRedis(t)
	redis, c := servers[0].Dial(), rig.RedisPool(t, servers).Dial()
	theirs, ours := rig.Elements(t, redis.Do("HELLO", "3")), rig.Elements(t, c.Do("HELLO", "3"))
	if theirs[3] != ours[3] {
		t.Errorf("version %q, of the server %q", ours[3], theirs[3])
	}
	for _, args := range [][]string{{"INFO", "replication"}, {"INFO", "pinion"}, {"CLIENT", "INFO"}, {"CLIENT", "LIST"}} {
		if got := c.Do(args...); got[0] != '=' || !strings.Contains(got[:15], "\r\ntxt:") {
			t.Errorf("%v: %q", args, got)
		}
	}
}

// A client that waits in a server, or has subscribed, is listed as such, and can be woken or closed from wherever.
func TestE2EClientsThatWait(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	c := p.Dial()
	line := func(id string) string { return rig.Text(t, c.Do("CLIENT", "LIST", "ID", id)) }
	listed := func(id, flags string) {
		t.Helper()
		rig.Eventually(t, "listing the client", func() error {
			if got := line(id); !strings.Contains(got, flags) {
				return fmt.Errorf("no %q in %q", flags, got)
			}
			return nil
		})
	}
	for i, e := range []struct{ how, want string }{
		{"TIMEOUT", "*-1\r\n"}, {"ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"}, {"TIMEOUT", "_\r\n"},
	} {
		waits := p.Dial()
		if i == 2 {
			waits.Do("HELLO", "3")
		}
		id := strings.TrimSpace(waits.Do("CLIENT", "ID")[1:])
		c.WantDo(":0\r\n", "CLIENT", "UNBLOCK", id, e.how)
		waits.Send(rig.Request("BLPOP", "nothing", "0"))
		listed(id, " flags=b ")
		c.WantDo(":1\r\n", "CLIENT", "UNBLOCK", id, e.how)
		waits.Want(e.want)
		c.WantDo(":0\r\n", "CLIENT", "UNBLOCK", id)
		waits.WantDo("+PONG\r\n", "PING")
		listed(id, " flags=N ")
	}
	inMulti := p.Dial()
	id := strings.TrimSpace(inMulti.Do("CLIENT", "ID")[1:])
	inMulti.WantDo("+OK\r\n", "MULTI")
	inMulti.WantDo("+QUEUED\r\n", "SET", "a", "1")
	if got := line(id); !strings.Contains(got, " flags=x db=0 sub=0 psub=0 ssub=0 multi=1 ") || !strings.Contains(got, " cmd=set ") {
		t.Errorf("within MULTI: %q", got)
	}
	subscriber := p.Dial()
	id = strings.TrimSpace(subscriber.Do("CLIENT", "ID")[1:])
	subscriber.Do("SUBSCRIBE", "a")
	subscriber.Do("PSUBSCRIBE", "b*")
	listed(id, " flags=P db=0 sub=1 psub=1 ssub=0 ")
	if got := rig.Text(t, c.Do("CLIENT", "LIST", "TYPE", "pubsub")); !strings.HasPrefix(got, "id="+id+" ") || strings.Count(got, "\n") != 1 {
		t.Errorf("subscribers: %q", got)
	}
	c.WantDo(":1\r\n", "CLIENT", "KILL", "TYPE", "pubsub")
	subscriber.Want(rig.Closed)
}

// The modes of redis-cli that look at a whole server see a whole pool.
func TestE2ERedisCLILooksAround(t *testing.T) {
	t.Parallel()
	for _, servers := range [][]*rig.Backend{{rig.RedisServer(t)}, rig.ThreeRedis(t)} {
		p := rig.RedisPool(t, servers)
		cli := func(stdin string, args ...string) string {
			cmd := exec.Command(rig.Program(t, "redis-cli"), append([]string{"-p", p.Port()}, args...)...)
			cmd.Stdin = strings.NewReader(stdin)
			out, _ := cmd.CombinedOutput()
			return string(out)
		}
		var sets strings.Builder
		for i := range 300 {
			sets.WriteString(rig.Request("SET", fmt.Sprint("key", i), "value"))
		}
		for _, e := range []struct{ stdin, args, want string }{
			{sets.String(), "--pipe", "errors: 0, replies: 300"},
			{"", "--bigkeys", "Sampled 300 keys"},
			{"", "--memkeys", "Sampled 300 keys"},
			{"", "--latency --raw -i 1", " "},
			{"", "dbsize", "300\n"},
		} {
			if got := cli(e.stdin, strings.Fields(e.args)...); !strings.Contains(got, e.want) {
				t.Errorf("%d servers: redis-cli %s: %q", len(servers), e.args, got)
			}
		}
		if keys := strings.Fields(cli("", "--scan", "--pattern", "key1*")); len(keys) != 111 {
			t.Errorf("%d servers: --scan finds %d keys", len(servers), len(keys))
		}
		stat := exec.Command(rig.Program(t, "redis-cli"), "-p", p.Port(), "--stat", "-i", "0.1")
		pipe, err := stat.StdoutPipe()
		if err == nil {
			err = stat.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 300)
		n, _ := io.ReadFull(pipe, head)
		stat.Process.Kill()
		stat.Wait()
		if !strings.Contains(string(head[:n]), "\n300 ") {
			t.Errorf("%d servers: --stat shows %q", len(servers), head[:n])
		}
	}
}
