package config

import (
	"strings"
	"testing"
)

func TestSocketProblems(t *testing.T) {
	c, err := parse("w", []byte("global:\n  http: /run/other/http.sock\nalpha:\n  listen: /no/such/p.sock 0600\n  servers:\n  - a:6379:1\nbeta:\n  listen: /tmp/p.sock\n  servers:\n  - a:6379:1\n"+
		"gamma:\n  listen: 127.0.0.1:22121\n  servers:\n  - a:6379:1\n"), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	all := c.SocketProblems(func(path string) bool { return path == "/tmp" })
	if got := all.Error(); len(all) != 1 || !strings.HasPrefix(got, `w:4:3: pool "alpha": "/no/such/p.sock" cannot be made: "/no/such" is no directory; make it`) {
		t.Errorf("got %q", got)
	}
	if all := c.SocketProblems(func(string) bool { return true }); len(all) > 0 {
		t.Errorf("got %v", all)
	}
}
