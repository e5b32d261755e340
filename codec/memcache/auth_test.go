// What clients send that are to authenticate.

package memcache

import (
	"strings"
	"testing"
)

func TestConsumeStranger(t *testing.T) {
	for _, e := range []struct{ request, user, password, refusal string }{
		{"set auth 0 0 12\r\nalice secret\r\n", "alice", "secret", ""},
		{"set x 7 99 12 noreply\r\nalice secret\r\n", "alice", "secret", ""},
		{"set x 0 0 13\nalice se cret\r\n", "alice", "se cret", ""},
		{"set  x  0 0 6 \r\nalice \r\n", "alice", "", ""},
		{"set x 0 0 11\r\nalicesecret\r\n", "", "", BadAuthentication},
		{"set x 0 0 0\r\n\r\n", "", "", BadAuthentication},
		{"set x 0 0 1025\r\n" + strings.Repeat("x ", 512) + "x\r\n", "", "", BadAuthentication},
		{"set x 0 0 12\r\nalice secretXX", "", "", Unauthenticated},
		{"set x 0 0 -1\r\n", "", "", Unauthenticated},
		{"set x\r\n", "", "", Unauthenticated},
		{"add x 0 0 12\r\nalice secret\r\n", "", "", Unauthenticated},
		{"ms x 12\r\nalice secret\r\n", "", "", Unauthenticated},
		{"get k\r\n", "", "", Unauthenticated},
		{"watch\r\n", "", "", Unauthenticated},
		{"\r\n", "", "", Unauthenticated},
		{"get " + strings.Repeat("k", MaxLineBytes) + "\r\n", "", "", "CLIENT_ERROR line too long\r\n"},
	} {
		for n := range len(e.request) {
			given, size, refusal := ConsumeStranger([]byte(e.request[:n]))
			if given.User != nil || size != 0 && (refusal == nil || refusal.Reply != e.refusal) {
				t.Errorf("%.40q: of %d bytes: %q, %d, %v", e.request, n, given, size, refusal)
			}
		}
		given, size, refusal := ConsumeStranger([]byte(e.request + "get k\r\n"))
		said := ""
		if refusal != nil {
			said = refusal.Reply
		}
		if string(given.User) != e.user || string(given.Password) != e.password || said != e.refusal || size != len(e.request) && !refusal.Close {
			t.Errorf("%.40q: %q, %d, %q", e.request, given, size, said)
		}
	}
}

func TestCredentials(t *testing.T) {
	for _, e := range []struct {
		mechanism, value string
		step             AuthStep
	}{
		{"PLAIN", "\x00alice\x00secret", AuthPlain},
		{"plain", "alice\x00alice\x00secret", AuthPlain},
		{"PLAIN", "", AuthBegin},
		{"PLAIN", "bob\x00alice\x00secret", AuthWrong},
		{"PLAIN", "alice\x00secret", AuthWrong},
		{"PLAIN", "\x00alice\x00secret\x00", AuthWrong},
		{"CRAM-MD5", "\x00alice\x00secret", AuthWrong},
	} {
		r := ConsumeBinary(binaryRequest(0x21, 0, "", e.mechanism, e.value))
		given, step := r.Credentials()
		if r.Auth() != AuthPlain || step != e.step || step == AuthPlain && (string(given.User) != "alice" || string(given.Password) != "secret") {
			t.Errorf("%s %q: %q, %d", e.mechanism, e.value, given, step)
		}
	}
	long := ConsumeBinary(binaryRequest(0x21, 0, "", "PLAIN", strings.Repeat("x", 1<<20))[:binaryHeaderBytes])
	if long.Auth() != AuthWrong {
		t.Error("a megabyte is waited for")
	}
	if r := ConsumeBinary(binaryRequest(0x00, 0, "", "k", "")); r.Auth() != AuthNone || r.BeforeAuth() {
		t.Error("get is about SASL")
	}
}

// What we send to servers they take as what they have asked for.
func TestAppendCredentials(t *testing.T) {
	b := AppendCredentials(nil, "alice", "sec ret")
	given, size, refusal := ConsumeStranger(b)
	if refusal != nil || size != len(b) || string(given.User) != "alice" || string(given.Password) != "sec ret" {
		t.Errorf("%q is taken for %q, %v", b, given, refusal)
	}
}
