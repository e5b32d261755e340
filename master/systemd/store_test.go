package systemd

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestStore(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	fd, err := sock.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), 8, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(fd)
	if err := s.Store("listen/a:b/0", fd); err != nil {
		t.Fatal(err)
	}
	got, fds := m.receive(t)
	if got != "FDSTORE=1\nFDNAME=listen/a%3Ab/0" || len(fds) != 1 {
		t.Fatalf("got %q and descriptors %v", got, fds)
	}
	if inode(t, fds[0]) != inode(t, fd) {
		t.Error("another socket is stored")
	}
	if flags(fd, syscall.F_GETFL)&syscall.O_NONBLOCK == 0 || flags(fd, syscall.F_GETFD)&syscall.FD_CLOEXEC == 0 {
		t.Error("storing the listener has changed its flags")
	}
	s.Unstore("listen/a:b/0")
	if got, _ := m.receive(t); got != "FDSTOREREMOVE=1\nFDNAME=listen/a%3Ab/0" {
		t.Errorf("got %q", got)
	}
	long := "listen/" + strings.Repeat("é", 100) + "/0"
	if err := s.Store(long, fd); err == nil || !strings.Contains(err.Error(), "609 bytes, 255 are allowed") {
		t.Errorf("with a name too long: %v", err)
	}
	s.Unstore(long)
	s.Flush()
	m.nothing(t)
}

// inode returns what two descriptors of one socket have in common.
func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// Names of the store: systemd wants ASCII from the space to the tilde, without the colon.
func TestStoreNames(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, name := range []string{
		"", "listen/alpha/0", "50%", "%3A", "a:b", "a\nFDNAME=b", "café", "a b",
		string(all[:32]), string(all[32:100]), string(all[100:180]), string(all[180:]),
	} {
		encoded, err := encodeStoreName(name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if i := strings.IndexFunc(encoded, func(r rune) bool { return r < ' ' || r > '~' || r == ':' }); i >= 0 {
			t.Errorf("%q becomes %q, which systemd refuses", name, encoded)
		}
		if got := decodeStoreName(encoded); got != name {
			t.Errorf("%q becomes %q becomes %q", name, encoded, got)
		}
	}
	if got := decodeStoreName("100%.socket"); got != "100%.socket" {
		t.Errorf("a name of another origin becomes %q", got)
	}
}

// What is stored comes back under its name, and everything else is something else.
func TestStored(t *testing.T) {
	for _, c := range []struct {
		name string
		want Stored
	}{
		{"worker/4/1/902", Stored{Worker, 4, 1, 902}},
		{"spec/4", Stored{Kind: Spec, Generation: 4}},
		{"shared/18446744073709551615", Stored{Kind: Shared, Generation: 1<<64 - 1}},
	} {
		got, ok := ParseStored(c.name)
		if !ok || got != c.want || got.Name() != c.name {
			t.Errorf("%s is %+v, %v, named %s", c.name, got, ok, got.Name())
		}
	}
	for _, name := range []string{"", "worker", "worker/4", "worker/4/1", "worker/x/1/902", "spec/", "spec/-1", "shared/x", "listen/alpha/0", "pinion.socket"} {
		if got, ok := ParseStored(name); ok {
			t.Errorf("%s is %+v", name, got)
		}
	}
}
