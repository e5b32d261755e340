// Reading and setting options and addresses of sockets.

package sock

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// Error takes the pending error of a socket: how a connect ended, or why a connection broke.
func Error(fd int) error {
	if _, err := fault.Call("error", fd, 0); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	return unix.Errno(code)
}

// SetNoDelay turns Nagle's algorithm off. Other families than TCP have none, so their refusal is no error.
func SetNoDelay(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// DelayAcknowledgements has the kernel acknowledge every other of what comes soon after what came before, as to a peer that is about to be
// answered, instead of whenever all is read; until nothing has come for DelayedAcknowledgement.
func DelayAcknowledgements(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) }

// AcknowledgeNow has the kernel acknowledge at once what has come. Without it a client that sends in small pieces, and waits for that as most
// do by default (RFC 1122, 4.2.3.4), waits for as long as acknowledgements are delayed: 40 ms.
func AcknowledgeNow(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

// DelayedAcknowledgement is the kernel's TCP_DELACK_MIN.
const DelayedAcknowledgement = 40 * time.Millisecond

// SetKeepalive has the kernel probe an idle peer.
func SetKeepalive(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }

// ShutdownWrite sends the end of the stream; the other direction stays open.
func ShutdownWrite(fd int) { unix.Shutdown(fd, unix.SHUT_WR) }

// Again tells that an error of Recv, Send or Accept means "not now".
func Again(err error) bool { return err == unix.EAGAIN }

// SetInherited sets again what a descriptor needs and may have lost on its way here: non-blocking and close-on-exec.
func SetInherited(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// ListensOn returns the address that a TCP socket is bound to, IPv4 as such, and whether one that listens takes IPv4 as well
// as IPv6; the zero address of any other socket.
func ListensOn(fd int) (at netip.AddrPort, dual bool) {
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return at, false
	}
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), false
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		return netip.AddrPortFrom(ip, uint16(a.Port)), err == nil && only == 0
	}
	return at, false
}

// Same tells whether two descriptors are of one socket, or one file.
func Same(a, b int) bool {
	var one, other unix.Stat_t
	return unix.Fstat(a, &one) == nil && unix.Fstat(b, &other) == nil && one.Dev == other.Dev && one.Ino == other.Ino
}

// IsItsOwnPeer tells whether a TCP socket is connected to itself. That happens if nothing listens at a port of this host and
// the kernel chooses that very port for this end: the two meet as in a simultaneous open (RFC 9293, 3.5).
func IsItsOwnPeer(fd int) bool {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	peer, err := unix.Getpeername(fd)
	return err == nil && text(local, nil) == text(peer, nil)
}

// Abort has Close end a TCP connection at once: nothing is sent any more, and its port is free.
func Abort(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// LocalAddress and PeerAddress return "ip:port", or the path of a unix socket.
func LocalAddress(fd int) string { return text(unix.Getsockname(fd)) }

// PeerAddress returns the other end's "ip:port", or the path of a unix socket; of TCP also when the connection has broken.
func PeerAddress(fd int) string {
	peer, err := unix.Getpeername(fd)
	if err == unix.ENOTCONN {
		if at := formerPeer(fd); at.IsValid() {
			return at.String()
		}
	}
	return text(peer, err)
}

func text(sa unix.Sockaddr, err error) string {
	if err != nil {
		return "?"
	}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		return a.Name + ":0"
	}
	return fmt.Sprintf("%T", sa)
}

// zone reads the zone of a link-local IPv6 address, which is an interface index here.
func zone(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// Probes of an idle server: it is dead when it has answered none for about half a minute.
const (
	serverIdleSeconds  = 15 // before the first probe
	serverProbeSeconds = 5  // from one to the next
	serverProbes       = 3
)

// SetServerKeepalive has the kernel probe an idle server, so that one that has vanished without a word is noticed although nothing
// is due from it.
func SetServerKeepalive(fd int) error {
	for _, o := range [...]struct{ option, value int }{
		{unix.TCP_KEEPIDLE, serverIdleSeconds},
		{unix.TCP_KEEPINTVL, serverProbeSeconds},
		{unix.TCP_KEEPCNT, serverProbes},
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, o.option, o.value); err != nil {
			return err
		}
	}
	return SetKeepalive(fd)
}
