// What a machine has and has not, and who comes to which socket on it.

package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// 192.0.2.0/24 is for documents: no interface has it.
func TestThisMachine(t *testing.T) {
	m := ThisMachine(3, 1000)
	if m.Workers != 3 || m.Descriptors != 1000 || !slices.Contains(m.Addresses, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("got %+v", m)
	}
	for _, fine := range []string{"127.0.0.1", "127.8.9.1", "0.0.0.0"} {
		if err := m.Bind(netip.MustParseAddr(fine)); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
	if err := m.Bind(netip.MustParseAddr("192.0.2.77")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("192.0.2.77: %v", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Folder(dir); err != nil {
		t.Error(err)
	}
	if err := m.Folder(file); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
	if err := m.Folder(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if got := m.addresses("localhost"); len(got) != 2 {
		t.Errorf("localhost has %v", got)
	}
}

func TestComesTo(t *testing.T) {
	for _, test := range []struct {
		address, bound string
		want           bool
	}{
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.2", "127.0.0.1", false},
		{"127.0.0.1", "0.0.0.0", true},
		{"127.0.0.1", "::", true},
		{"::1", "0.0.0.0", false},
		{"::1", "::", true},
		{"10.0.0.5", "0.0.0.0", true},
		{"10.0.0.6", "0.0.0.0", false},
		{"10.0.0.5", "127.0.0.1", false},
		{"0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"0.0.0.0", "10.0.0.5", false},
		{"::", "127.0.0.1", false},
	} {
		if got := testMachine.comesTo(netip.MustParseAddr(test.address), netip.MustParseAddr(test.bound)); got != test.want {
			t.Errorf("%s comes to %s: %v", test.address, test.bound, got)
		}
	}
}

// What is on this machine alone is warned of only where the machine is known, and never where it is in order.
func TestWarningsOfMachine(t *testing.T) {
	text := func(listen, server string) string {
		return "alpha:\n  listen: " + listen + "\n  timeout: 400\n  servers:\n  - " + server + ":1\n"
	}
	for _, test := range []struct{ listen, server, want string }{
		{"10.0.0.5:22121", "/run/redis.sock", ""},
		{"/run/pinion/alpha.sock", "a:6379", ""}, // systemd makes the folder
		{"/run/alpha.sock 0660", "a:6379", ""},
		{"/etc/passwd/alpha.sock", "a:6379",
			`f:2:3: warning: pool "alpha": listen "/etc/passwd/alpha.sock": /etc/passwd is no folder; write the path of a socket in a folder`},
		{"10.0.0.5:22121", "here.example:22121",
			`f:5:5: warning: pool "alpha": server "here.example:22121" is pool "alpha" itself: requests go round in circles; give the address of the server behind it`},
		{"10.0.0.5:22121", "here.example:22122", ""},
		{"10.0.0.5:22121", "there.example:22121", ""},
		{"10.0.0.6:22121", "a:6379", `f:2:3: warning: pool "alpha": listen "10.0.0.6:22121": no interface of this machine has that address; ` +
			`write one that it has, such as 127.0.0.1, 10.0.0.5, or 0.0.0.0 for all`},
	} {
		c, err := parse("f", []byte(text(test.listen, test.server)), resolveTest)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings(testMachine).Error(); got != test.want {
			t.Errorf("%s, %s: got\n%s\nwant\n%s", test.listen, test.server, got, test.want)
		}
		if got := c.Warnings(Machine{}).Error(); got != "" && test.listen != "10.0.0.5:22121" {
			t.Errorf("%s, %s: of no machine: %s", test.listen, test.server, got)
		}
	}
	c, err := parse("f", []byte("global:\n  http: 10.0.0.6:80\n"+text("127.0.0.1:22121", "a:6379")), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Warnings(testMachine).Error(), `f:2:3: warning: http "10.0.0.6:80": no interface of this machine has that address; `+
		`write one that it has, such as 127.0.0.1, 10.0.0.5, or 0.0.0.0 for all`+"\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
