package master

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// What a master was told that has just left for another one, that one is told again.
func TestKeeperRepeatsTheEnd(t *testing.T) {
	l, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "keeper"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	join := func() (theirs *masterConn, ours net.Conn) {
		ours, err := net.Dial("unixpacket", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ours.Close() })
		return &masterConn{conn: conn, pid: os.Getpid()}, ours
	}
	hears := func(conn net.Conn) (msg keeperMessage) {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, maxKeeperMessageBytes)
		n, err := conn.Read(buf)
		if err == nil {
			err = json.Unmarshal(buf[:n], &msg)
		}
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}

	k := &keeper{pid: os.Getpid(), master: os.Getpid(), came: make(chan *masterConn), left: make(chan *masterConn)}
	signals := make(chan os.Signal)
	go k.run(signals, nil)
	first, old := join()
	k.came <- first
	signals <- syscall.SIGINT
	if got := hears(old); got != (keeperMessage{Signal: "INT"}) {
		t.Errorf("the first master hears %+v", got)
	}
	second, next := join()
	k.came <- second
	if got := hears(next); got != (keeperMessage{Signal: "INT", Again: true}) {
		t.Errorf("the next master hears %+v", got)
	}
}
