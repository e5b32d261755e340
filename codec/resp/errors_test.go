// The texts that clients see, to the byte.

package resp

import (
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		InvalidPassword:   "ERR invalid password",
		NoAuth:            "NOAUTH Authentication required",
		NoPassword:        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
		WrongPass:         "WRONGPASS invalid username-password pair or user is disabled.",
		NoProto:           "NOPROTO unsupported protocol version",
		BadClientName:     "ERR Client names cannot contain spaces, newlines or special characters.",
		BadProto:          "ERR Protocol version is not an integer or out of range",
		BadDB:             "ERR DB index is out of range",
		ConnectionRefused: "ERR Connection refused",
		ConnectionTimeout: "ERR Connection timed out",
		ConnectionReset:   "ERR Connection reset by peer",
		BrokenPipe:        "ERR Broken pipe",
		HostDown:          "ERR Host is down",
		SyntaxError:       "ERR syntax error",
		NotAnInteger:      "ERR value is not an integer or out of range",
	} {
		if reply := string(AppendError(nil, got)); reply != "-"+want+"\r\n" {
			t.Errorf("got %q, want %q", reply, want)
		}
	}
}

// Programs look for the ends of these.
func TestOutcome(t *testing.T) {
	failure := AppendError(nil, ConnectionReset)
	if got := string(AppendOutcome(nil, failure, false)); got != "-ERR Connection reset by peer; not executed\r\n" {
		t.Errorf("got %q", got)
	}
	if got := string(AppendOutcome(nil, failure, true)); got != "-ERR Connection reset by peer; the outcome is unknown\r\n" {
		t.Errorf("got %q", got)
	}
}

// TestUnknown: the replies are those of Redis 7.0.15.
func TestUnknown(t *testing.T) {
	const with = ", with args beginning with: "
	for _, e := range []struct {
		args []string
		want string
	}{
		{[]string{"foo"}, "unknown command 'foo'" + with},
		{[]string{""}, "unknown command ''" + with},
		{[]string{"foo", "a", "b"}, "unknown command 'foo'" + with + "'a' 'b' "},
		{[]string{"Foo", strings.Repeat("x", 200), "b"},
			"unknown command 'Foo'" + with + "'" + strings.Repeat("x", 128) + "' "},
		{[]string{strings.Repeat("f", 200), "a"}, "unknown command '" + strings.Repeat("f", 128) + "'" + with + "'a' "},
		{[]string{"fo\r\no", "a\r\nb", "\x00z", "q"}, "unknown command 'fo  o'" + with + "'a  b' '' 'q' "},
		{[]string{"foo", strings.Repeat("a", 126), "b"},
			"unknown command 'foo'" + with + "'" + strings.Repeat("a", 126) + "' "},
		{[]string{"foo", strings.Repeat("a", 124), "bcd", "c"},
			"unknown command 'foo'" + with + "'" + strings.Repeat("a", 124) + "' 'b' "},
		{append([]string{"foo"}, strings.Fields(strings.Repeat("ab ", 100))...),
			"unknown command 'foo'" + with + strings.Repeat("'ab' ", 26)},
		{[]string{"client", "foo"}, "unknown subcommand 'foo'. Try CLIENT HELP."},
		{[]string{"Object", "NOPE", "a"}, "unknown subcommand 'NOPE'. Try OBJECT HELP."},
		{[]string{"object", strings.Repeat("fo\r\no", 50)},
			"unknown subcommand '" + strings.Repeat("fo  o", 26)[:128] + "'. Try OBJECT HELP."},
	} {
		b, args := request(e.args...)
		got := AppendUnknownCommand([]byte("\r\n"), b, args)
		if Lookup(args[0].Of(b)) != nil {
			got = AppendUnknownSubcommand([]byte("\r\n"), b, args)
		}
		if string(got) != "\r\n-ERR "+e.want+"\r\n" {
			t.Errorf("%q: got %q", e.args, got)
		}
	}
}

func TestCommandErrors(t *testing.T) {
	get, sinter, sort, setname := rowOf("get"), rowOf("sinter"), rowOf("sort"), rowOf("client|setname")
	_, _, protocol := ConsumeRequest([]byte("*x\r\n"), nil)
	for _, e := range []struct {
		got  []byte
		want string
	}{
		{AppendWrongArity(nil, get), "-ERR wrong number of arguments for 'get' command\r\n"},
		{AppendWrongArity(nil, setname), "-ERR wrong number of arguments for 'client|setname' command\r\n"},
		{AppendNotSupported(nil, sinter), "-ERR 'sinter' is not supported by pinion\r\n"},
		{AppendForeign(nil, sort), "-CROSSSHARD 'sort' may touch keys that it does not name, on any server\r\n"},
		{AppendCrossShard(nil, sinter),
			"-CROSSSHARD keys of 'sinter' live on different servers; use a hash tag\r\n"},
		{AppendProtocolError(nil, protocol), "-ERR Protocol error: invalid multibulk length\r\n"},
		{AppendError([]byte("\n"), "ERR a\r\nb"), "\n-ERR a  b\r\n"},
	} {
		if string(e.got) != e.want {
			t.Errorf("got %q, want %q", e.got, e.want)
		}
	}
}

func TestAppend(t *testing.T) {
	b := AppendArray(nil, 7)
	b = AppendBulk(b, []byte("0123456789"))
	b = AppendBulkString(b, "")
	b = AppendInt(b, -5)
	b = AppendSimple(b, "OK")
	b = AppendNull(b)
	b = AppendArray(b, 0)
	b = AppendArray(b, -1)
	if want := "*7\r\n$10\r\n0123456789\r\n$0\r\n\r\n:-5\r\n+OK\r\n$-1\r\n*0\r\n*-1\r\n"; string(b) != want {
		t.Errorf("got %q", b)
	}
	if n, _, err := ConsumeReply(b, Progress{}); n != len(b) || err != nil {
		t.Errorf("got %d %v, want %d", n, err, len(b))
	}
}
