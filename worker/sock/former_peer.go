// The other end of a connection that has broken: getpeername(2) does not tell it any more, and the kernel still knows it.

package sock

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// formerPeer returns who was at the other end of a TCP connection; the zero value: that is not known.
func formerPeer(fd int) netip.AddrPort {
	for _, size := range []uint32{unix.SizeofSockaddrInet6, unix.SizeofSockaddrInet4} { // more than there is would be an error
		var b [unix.SizeofSockaddrInet6]byte
		_, _, code := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERNAME, uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&size)), 0)
		if code == 0 {
			return parseAddress(b[:])
		}
	}
	return netip.AddrPort{}
}

// parseAddress reads a struct sockaddr_in or sockaddr_in6.
func parseAddress(b []byte) netip.AddrPort {
	const port, address4, address6 = 2, 4, 8
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[address4:])), binary.BigEndian.Uint16(b[port:]))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[address6:])), binary.BigEndian.Uint16(b[port:]))
	}
	return netip.AddrPort{}
}
