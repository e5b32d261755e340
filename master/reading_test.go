package master

import (
	"errors"
	"net"
	"os"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestWhoMayLendToAGroup(t *testing.T) {
	for _, test := range []struct {
		gid, uid int
		groups   []int
		want     bool
	}{
		{5, 0, nil, true}, {5, 1000, []int{4, 5}, true}, {5, 1000, []int{4}, false}, {5, 1000, nil, false},
	} {
		if got := isIn(test.gid, test.uid, test.groups); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// A new master gets the socket for reading, and an admin socket without a path, in messages of their own; a socket that it was passed and
// never served it leaves at its path.
func TestSocketsOfTheOldMaster(t *testing.T) {
	f := newMachine()
	f.opts.Control = admin.OwnName
	m := newMaster(f.opts, newWorld(nil), f)
	path := admin.ReadingPath(socketPath(t))
	fd, spot, err := listenForReading(path, os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	control, err := sock.ListenUnix(admin.Name(os.Getpid(), 3), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(control)
	for _, msg := range []message{
		{Kind: messageSockets, Reading: &socketName{Address: path, Group: 7, Spot: messageSpotOf(spot)}, fds: []int{fd}},
		{Kind: messageSockets, Control: &socketName{Address: "@pinion/control/0/1"}, fds: []int{control}},
	} {
		m.addSockets(msg)
		if msg.fds[0] != -1 {
			t.Errorf("%+v: the descriptor is not taken", msg)
		}
	}
	if r := m.reading; r.path != path || r.gid != 7 || r.fd != fd || r.spot != spot || r.server != nil {
		t.Errorf("for reading: %+v", r)
	}
	if m.admin.fd != control || m.opts.Control != "@pinion/control/0/1" {
		t.Errorf("admin socket %d, %q", m.admin.fd, m.opts.Control)
	}
	m.finishReading()
	if _, err := net.Dial("unix", path); err == nil || m.reading.open() {
		t.Error("the socket is still open")
	}
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		t.Error("the path is gone, which another master serves")
	}
	m.releaseReading() // there is none
}
