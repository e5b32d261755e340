// Users, beside a redis-server that has the same ones.

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

var exampleUsers = []string{
	"default off",
	"app on >secret ~app:* %R~r:* &news:* +@all -@dangerous +sort",
	"reader on nopass ~* resetchannels +@read +@connection",
}

// userTalks are what a client sends in one write, and how many replies it gets.
var userTalks = []struct {
	raw     string
	replies int
}{
	{"GET app:1|PING|AUTH secret|AUTH app wrong|AUTH nobody secret|HELLO 2|HELLO 2 AUTH app wrong|AUTH a b c", 8},
	{"AUTH app secret|SET app:1 x|GET app:1|GET r:1|SET r:1 x|GET other|MGET app:1 r:1 other|DEL app:1 other|FLUSHALL|KEYS *|ACL WHOAMI|NOSUCH|GET", 13},
	{"AUTH app secret|EVAL return 1 other|SORT app:1 BY w_*|SORT r:1 STORE r:2|COPY r:1 app:2|SET app:1 x GET|SET r:1 x GET|CLIENT LIST|CLIENT KILL 1.2.3.4:5|OBJECT ENCODING other|XREAD STREAMS app:1 other 0 0", 11},
	{"AUTH app secret|MULTI|SET app:1 x|GET other|EXEC|MULTI|FLUSHALL|EXEC|MULTI|GET app:2|EXEC|WATCH app:1|MULTI|EXEC", 14},
	{"AUTH app secret|PUBLISH news:1 x|PUBLISH other x|SUBSCRIBE news:1|UNSUBSCRIBE|RESET|GET app:1", 7},
	{"AUTH app secret|BLPOP other app:1 0|LMOVE app:1 other LEFT LEFT|RENAME other app:1|ZUNIONSTORE app:1 2 r:1 other|BITOP AND r:1 app:1|AUTH app wrong|ACL WHOAMI", 8},
	{"AUTH reader whatever|GET any|SET any x|PUBLISH news:1 x|CLIENT ID|MULTI", 4},
	{"HELLO 3 AUTH nobody x|AUTH app secret|AUTH secret", 3},
	{"AUTH app secret|ACL DRYRUN app get app:1|ACL DRYRUN app get other|ACL CAT nosuch|ACL GETUSER nobody", 5},
}

// What users are told is what Redis says, word for word, and nothing else of theirs reaches a server, whose own user may do all.
func TestE2EUsersLikeRedis(t *testing.T) {
	t.Parallel()
	redis, server := rig.RedisServer(t), rig.RedisServer(t)
	login := redis.Dial() // it stays the default user's, whom the first line turns off
	for _, line := range exampleUsers[1:] {
		login.WantDo("+OK\r\n", append([]string{"ACL", "SETUSER"}, strings.Fields(line)...)...)
	}
	login.WantDo("+OK\r\n", "ACL", "SETUSER", "default", "resetpass", "off")
	admin := server.Dial()
	admin.WantDo("+OK\r\n", "ACL", "SETUSER", "proxy", "on", ">own", "~*", "&*", "+@all")
	admin.WantDo("+OK\r\n", "ACL", "SETUSER", "default", "resetpass", "off")
	p := rig.RedisPool(t, []*rig.Backend{server}, "server_user: proxy", "server_password: own", fmt.Sprintf(`users: ["%s"]`, strings.Join(exampleUsers, `", "`)))
	for _, talk := range userTalks {
		var raw strings.Builder
		for _, line := range strings.Split(talk.raw, "|") {
			words := strings.Fields(line)
			if words[0] == "EVAL" {
				words = []string{"EVAL", "return 1", "1", "other"}
			}
			raw.WriteString(rig.Request(words...))
		}
		want := conversation(redis.Dial(), raw.String(), talk.replies)
		if got := conversation(p.Dial(), raw.String(), talk.replies); got != want {
			t.Errorf("%s:\nredis  %q\npinion %q", talk.raw, want, got)
		}
	}
}

// A reload with other users: who is still there goes on under the new rules, who is not is closed, and a file that is wrong changes nothing.
func TestE2EUsersAcrossReloads(t *testing.T) {
	t.Parallel()
	server, address := rig.RedisServer(t), rig.FreeAddress(t)
	file := filepath.Join(t.TempDir(), "users.acl")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("user "+strings.Join(lines, "\nuser ")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("alice on >secret ~* &* +@all", "bob on >secret ~* &* +@all")
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "acl_file: " + file}, Servers: rig.Lines([]*rig.Backend{server})}), address)
	alice, bob := o.Dial(), o.Dial()
	alice.WantDo("+OK\r\n", "AUTH", "alice", "secret")
	bob.WantDo("+OK\r\n", "AUTH", "bob", "secret")
	alice.WantDo("+OK\r\n", "SET", "k", "v")
	write("alice on >secret (~k)")
	if text, err := o.command("reload"); err == nil || !strings.Contains(text, `acl_file line 1: user "alice"`) {
		t.Errorf("a reload with a file that is wrong: %v\n%s", err, text)
	}
	alice.WantDo("$1\r\nv\r\n", "GET", "k")
	write("alice on >other ~a* &* +@all")
	text, err := o.command("reload", "--dry-run")
	for _, want := range []string{`user "alice": changed`, `user "bob": removed`} {
		if !strings.Contains(text, want) { // its exit status says that there is something to do
			t.Errorf("the dry run lacks %q: %v\n%s", want, err, text)
		}
	}
	if text, err := o.command("reload"); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	alice.WantDo("-NOPERM this user has no permissions to access one of the keys used as arguments\r\n", "GET", "k")
	alice.WantDo("$5\r\nalice\r\n", "ACL", "WHOAMI")
	if rest := bob.All(); rest != "" {
		t.Errorf("bob got %q", rest)
	}
	if text, err := o.command("upgrade"); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	alice.WantDo("$5\r\nalice\r\n", "ACL", "WHOAMI")
	if text, err := o.command("clients", "--json"); err != nil || !strings.Contains(text, `"user":"alice"`) {
		t.Errorf("clients: %v\n%s", err, text)
	}
	for _, secret := range []string{"secret", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"} {
		if strings.Contains(o.Output.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
