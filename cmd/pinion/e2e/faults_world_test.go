// What breaks around the proxy in TestE2EFaults: servers behind something that delays, garbles and cuts, and a name server
// that errs.

package e2e_test

import (
	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"

	big "encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ill is what a shim does with the next bytes of its server.
type ill int32

const (
	isWell ill = iota
	isSlow
	garbles // instead of the first reply of a connection
	cuts    // closes in the middle
	resets
	illnesses
)

// shim stands between the proxy and a server.
type shim struct {
	t        testing.TB
	address  string
	server   *rig.Backend
	next     atomic.Int32 // ill
	silent   atomic.Bool
	faults   *atomic.Int64
	mu       sync.Mutex
	listener net.Listener // nil: refuses
	conns    map[net.Conn]bool
	group    sync.WaitGroup
}

func newShim(t testing.TB, server *rig.Backend, faults *atomic.Int64) *shim {
	t.Helper()
	s := &shim{t: t, address: rig.FreeAddress(t), server: server, faults: faults, conns: map[net.Conn]bool{}}
	s.listen(true)
	t.Cleanup(func() { s.listen(false); s.silent.Store(false); s.hangUp(); s.group.Wait() })
	return s
}

// listen begins or ends to take connections.
func (s *shim) listen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on == (s.listener != nil) {
		return
	}
	if !on {
		s.listener.Close()
		s.listener = nil
		return
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Errorf("listening again: %v", err)
		return
	}
	s.listener = l
	s.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.group.Go(func() { s.serve(c.(*net.TCPConn)) })
		}
	})
}

// hangUp ends all connections.
func (s *shim) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// keep has hangUp close c, too.
func (s *shim) keep(c net.Conn, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.conns[c] = true
	} else {
		delete(s.conns, c)
	}
}

// serve carries bytes there and back.
func (s *shim) serve(c *net.TCPConn) {
	defer c.Close()
	to, err := net.Dial(s.server.Network, s.server.Address)
	if err != nil {
		return
	}
	defer to.Close()
	for _, end := range []net.Conn{c, to} {
		s.keep(end, true)
		defer s.keep(end, false)
	}
	s.group.Go(func() {
		defer to.Close()
		b := make([]byte, 4<<10)
		for {
			n, err := c.Read(b)
			if n > 0 {
				_, err = to.Write(b[:n])
			}
			if err != nil {
				return
			}
		}
	})
	b := make([]byte, 4<<10)
	for first := true; ; first = false {
		n, err := to.Read(b)
		if err != nil || !s.forward(c, b[:n], first) {
			return
		}
	}
}

// forward sends the proxy what the server says, unless something is the matter.
func (s *shim) forward(c *net.TCPConn, b []byte, first bool) (goOn bool) {
	for s.silent.Load() {
		time.Sleep(time.Millisecond) // whoever waits does so for a reply, not for this
	}
	kind := ill(s.next.Load())
	if kind == garbles && !first {
		kind = isWell // what comes in the middle of a reply would be taken for a part of it
	} else if kind != isWell {
		s.next.Store(int32(isWell))
		s.faults.Add(1)
	}
	switch kind {
	case isSlow:
		time.Sleep(20 * time.Millisecond)
	case garbles:
		c.Write([]byte("?\x00 what\r\n"))
		return false
	case cuts:
		c.Write(b[:len(b)/2])
		return false
	case resets:
		c.SetLinger(0)
		return false
	}
	_, err := c.Write(b)
	return err == nil
}

// nameServer says that every name is 127.0.0.1, or errs.
type nameServer struct {
	conn   net.PacketConn
	mood   atomic.Int32
	faults *atomic.Int64
}

const (
	namesWell int32 = iota
	namesSilent
	namesUnknown
	namesFailing
	nameMoods
)

// nameServerAt is where it listens: nobody else does there.
const nameServerAt = "127.7.53.53"

func newNameServer(t testing.TB, faults *atomic.Int64) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", nameServerAt+":53")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: conn, faults: faults}
	t.Cleanup(func() { conn.Close() })
	go n.serve()
	return n
}

func (n *nameServer) serve() {
	b := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(b)
		if err != nil {
			return
		}
		mood := n.mood.Load()
		if mood != namesWell {
			n.faults.Add(1)
		}
		if reply := nameReply(b[:size], mood); reply != nil {
			n.conn.WriteTo(reply, from)
		}
	}
}

// nameReply answers one question (RFC 1035, 4.1).
func nameReply(question []byte, mood int32) []byte {
	const header, typeA, unknown, failure = 12, 1, 3, 2
	end := header
	for end < len(question) && question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 1 + 4 // the root, type and class
	if mood == namesSilent || end > len(question) {
		return nil
	}
	reply := append([]byte{}, question[:end]...)
	big.BigEndian.PutUint16(reply[2:], 0x8180) // a response of one who was asked to look further, and does
	clear(reply[6:header])
	switch mood {
	case namesUnknown:
		reply[3] |= unknown
	case namesFailing:
		reply[3] |= failure
	default:
		if big.BigEndian.Uint16(reply[end-4:]) == typeA {
			reply[7] = 1                                                                        // answers:
			reply = append(reply, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1) // the name of the question
		}
	}
	return reply
}

// someIllness has something be the matter with the server, for the next bytes or until it is mended.
func (s *shim) someIllness(random *rand.Rand) {
	switch random.IntN(12) {
	case 0:
		s.silent.Store(true)
		s.faults.Add(1)
	case 1:
		s.listen(false)
		s.hangUp()
		s.faults.Add(1)
	case 2, 3, 4, 5:
		s.mend()
	default:
		s.next.Store(1 + random.Int32N(int32(illnesses)-1))
	}
}

func (s *shim) mend() {
	s.next.Store(int32(isWell))
	s.silent.Store(false)
	s.listen(true)
}
