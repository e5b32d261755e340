// What this package makes of users, held against a real redis-server's ACL DRYRUN. The recorded answers in codec/resp are of 7.0, as is the
// server that Debian has: commands that it does not know are left out.

package acl

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// redisServer is a connection to a redis-server of the test's own.
type redisServer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func startRedis(t *testing.T) *redisServer {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server here")
	}
	path := filepath.Join(t.TempDir(), "s")
	server := exec.Command(program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", path)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(time.Minute))
			return &redisServer{t, conn, bufio.NewReader(conn)}
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// ask sends requests, all at once, and returns the reply to each, which is a line or a text.
func (s *redisServer) ask(requests [][]string) (replies []string) {
	go func() {
		var b []byte
		for _, words := range requests {
			b = resp.AppendArray(b, len(words))
			for _, word := range words {
				b = resp.AppendBulkString(b, word)
			}
		}
		s.conn.Write(b)
	}()
	for range requests {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		line = strings.TrimSpace(line)
		if size, ok := strings.CutPrefix(line, "$"); ok {
			n, _ := strconv.Atoi(size)
			text := make([]byte, n+2)
			if _, err := io.ReadFull(s.in, text); err != nil {
				s.t.Fatal(err)
			}
			line = string(text[:n])
		}
		replies = append(replies, line)
	}
	return replies
}

// have makes users, of lines as Parse reads them.
func (s *redisServer) have(lines []string) {
	var requests [][]string
	for _, line := range lines {
		requests = append(requests, append([]string{"ACL", "SETUSER"}, strings.Fields(line)...))
	}
	for i, reply := range s.ask(requests) {
		if reply != "+OK" {
			s.t.Fatalf("%s: %s", lines[i], reply)
		}
	}
}

// dryRun returns what the server says of a request of a user, in the words of denialText.
func (s *redisServer) dryRun(requests [][]string) []string {
	for i, words := range requests {
		requests[i] = append([]string{"ACL", "DRYRUN"}, words...)
	}
	replies := s.ask(requests)
	for i, reply := range replies {
		if reply == "+OK" {
			replies[i] = "OK"
		}
	}
	return replies
}

// denialText is how Redis 7.0 tells of a denial.
func denialText(c *resp.Command, d Denial) string {
	switch d.Reason {
	case NoCommand:
		return fmt.Sprintf("This user has no permissions to run the '%s' command", c.Name)
	case NoKey:
		return fmt.Sprintf("This user has no permissions to access the '%s' key", d.Object)
	case NoChannel:
		return fmt.Sprintf("This user has no permissions to access the '%s' channel", d.Object)
	}
	return "OK"
}

// knownRows are the rows of commands that the server knows, but for containers, which do nothing by themselves.
func (s *redisServer) knownRows() (rows []*resp.Command) {
	all := rowsWith(func(c *resp.Command) bool { return len(c.Subs) == 0 })
	var requests [][]string
	for _, c := range all {
		requests = append(requests, append([]string{"default"}, exampleOf(c)...))
	}
	for i, reply := range s.dryRun(requests) {
		if reply == "OK" {
			rows = append(rows, all[i])
		}
	}
	return rows
}

// exampleOf returns a request with as many arguments as it needs at least.
func exampleOf(c *resp.Command) []string {
	words := strings.Split(c.Name, "|")
	least := c.Arity
	if least < 0 {
		least = -least
	}
	for len(words) < least {
		words = append(words, "1")
	}
	return words
}

func requestOfWords(t *testing.T, words []string) *Request {
	b := resp.AppendArray(nil, len(words))
	for _, word := range words {
		b = resp.AppendBulkString(b, word)
	}
	_, args, err := resp.ConsumeRequest(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Lookup(args[0].Of(b))
	return &Request{c.Resolve(b, args), b, args, len(args)}
}

// compare has the server and this package judge the same requests, of which the first word is the user.
func (s *redisServer) compare(lines []string, requests [][]string) {
	users, err := NewList(lines)
	if err != nil {
		s.t.Fatal(err)
	}
	s.have(lines)
	const mostErrors = 20
	failed := 0
	var scratch []int32
	for i, want := range s.dryRun(slices.Clone(requests)) {
		if strings.HasPrefix(want, "-ERR") || isUnlooked(requests[i]) {
			continue
		}
		r := requestOfWords(s.t, requests[i][1:])
		var d Denial
		d, scratch = users.User([]byte(requests[i][0])).Check(r, scratch)
		if got := denialText(r.Command, d); got != want {
			if failed++; failed <= mostErrors {
				s.t.Errorf("%s: %s, Redis says %s", strings.Join(requests[i], " "), got, want)
			}
		}
	}
}

// isUnlooked tells whether Redis does not look at the keys of a request: it finds none where one of several places for keys is empty.
func isUnlooked(words []string) bool { return len(words) == 3 && words[1] == "pfmerge" }

// Every command for users who have, and who lack, each category and each command.
func TestCommandsAsRedisAllowsThem(t *testing.T) {
	s := startRedis(t)
	rows := s.knownRows()
	if len(rows) < 340 {
		t.Fatalf("the server knows %d commands", len(rows))
	}
	var lines, names []string
	for _, category := range resp.CategoryNames()[:21] { // those that the server has
		lines = append(lines, "with-"+category+" on nopass ~* &* +@"+category, "without-"+category+" on nopass ~* &* +@all -@"+category)
		names = append(names, "with-"+category, "without-"+category)
	}
	var requests [][]string
	for _, c := range rows {
		for _, name := range names {
			requests = append(requests, append([]string{name}, exampleOf(c)...))
		}
		own := "own-" + strings.ReplaceAll(c.Name, "|", "-")
		lines = append(lines, own+" ~* &* +"+c.Name)
		requests = append(requests, append([]string{own}, exampleOf(c)...), append([]string{own}, "get", "k"))
	}
	s.compare(lines, requests)
}

// Every command with keys for a user who may read some and write others.
func TestKeysAsRedisAllowsThem(t *testing.T) {
	s := startRedis(t)
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"r:1", "w:1", "b:1", "other"}
	fill := func(words []string) []string {
		for i, word := range words {
			if word == "KEY" {
				words[i] = names[random.IntN(len(names))]
			}
		}
		return words
	}
	templates := optionTemplates
	for _, c := range s.knownRows() {
		if c.Find != nil || c.First == 0 {
			continue
		}
		for extra := range 3 {
			words := exampleOf(c)
			for range extra * max(1, c.Step) {
				words = append(words, "1")
			}
			last := c.Last
			if last < 0 {
				last += len(words)
			}
			for i := c.First; i <= last; i += c.Step {
				words[i] = "KEY"
			}
			templates = append(templates, strings.Join(words, " "))
		}
	}
	var requests [][]string
	for _, template := range templates {
		for range 12 {
			requests = append(requests, append([]string{"bob"}, fill(strings.Fields(template))...))
		}
	}
	s.compare([]string{"bob on nopass %R~r:* %W~w:* ~b:* &* +@all"}, requests)
}

// optionTemplates are requests whose arguments tell where the keys are.
var optionTemplates = []string{
	"eval return 2 KEY KEY x", "evalsha 0 1 KEY", "eval_ro return 1 KEY", "evalsha_ro 0 2 KEY KEY", "fcall f 1 KEY", "fcall_ro f 1 KEY",
	"zunion 2 KEY KEY", "zinter 2 KEY KEY WITHSCORES", "zdiff 2 KEY KEY", "zunionstore KEY 2 KEY KEY", "zinterstore KEY 1 KEY", "zdiffstore KEY 2 KEY KEY",
	"zintercard 2 KEY KEY", "sintercard 2 KEY KEY LIMIT 1", "lmpop 2 KEY KEY LEFT", "blmpop 0 2 KEY KEY LEFT", "zmpop 1 KEY MIN", "bzmpop 0 1 KEY MAX",
	"xread STREAMS KEY KEY 0 0", "xread COUNT 1 BLOCK 0 STREAMS KEY 0", "xreadgroup GROUP g c STREAMS KEY KEY > >", "xreadgroup GROUP g c COUNT 1 NOACK STREAMS KEY >",
	"sort KEY", "sort KEY ALPHA STORE KEY", "sort KEY LIMIT 0 1 DESC STORE KEY", "sort_ro KEY ALPHA",
	"georadius KEY 1 1 1 m STORE KEY", "georadius KEY 1 1 1 m STOREDIST KEY", "georadius KEY 1 1 1 m", "georadiusbymember KEY m 1 m STORE KEY",
	"copy KEY KEY", "copy KEY KEY REPLACE", "set KEY v", "set KEY v GET", "set KEY v NX EX 1 GET", "set KEY get",
	"bitfield KEY GET u8 0", "bitfield KEY GET u8 0 SET u8 0 1", "bitfield KEY OVERFLOW SAT INCRBY u8 0 1", "bitfield KEY",
	"bitop AND KEY KEY KEY", "object encoding KEY", "memory usage KEY", "pfmerge KEY KEY KEY", "pfcount KEY KEY", "mset KEY v KEY v", "msetnx KEY v KEY v",
	"lcs KEY KEY", "move KEY 1", "xgroup create KEY g 0", "xinfo stream KEY", "getex KEY PERSIST", "watch KEY KEY", "exists KEY KEY", "touch KEY KEY",
}

// Patterns of keys and channels, among them those that are odd.
func TestPatternsAsRedisMatchesThem(t *testing.T) {
	s := startRedis(t)
	patterns := []string{
		"a", "a*", "*a", "a*b", "a**b", "?", "a?", "[abc]", "[^abc]", "[a-c]x", "[c-a]", "[a-]", `\*`, `\`, `a\`, `[\]]`, "[abc", "[", "[]", "[^]", "[^", `[\`,
		"[a-", "*[ab]*", "a*a*a", "[]a]", "[^a-c]*", "**", "*?", `\[a`, "a]",
	}
	var lines []string
	var requests [][]string
	texts := []string{"", "a", "b", "ab", "ba", "abc", "aab", "aaa", "ax", "cx", "-", "]", "[", `\`, `a\`, "*", "^", "[a", "a]", "x", "aXbXa", "[]", "[^"}
	for i, pattern := range patterns {
		name := fmt.Sprintf("u%d", i)
		lines = append(lines, fmt.Sprintf("%s on nopass ~%s &%s +@all", name, pattern, pattern))
		for _, text := range texts {
			requests = append(requests, []string{name, "get", text}, []string{name, "publish", text, "x"}, []string{name, "psubscribe", text})
		}
	}
	s.compare(lines, requests)
}
