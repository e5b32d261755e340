// Which processes listen where, by the kernel's socket diagnostics, see sock_diag(7). /proc/net/tcp lists that, too, but
// walks through every connection of the machine for it.

package sock

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	diagByFamily    = 20      // SOCK_DIAG_BY_FAMILY
	diagListen      = 1 << 10 // of TCP's states
	diagRequestLen  = 56      // struct inet_diag_req_v2
	diagMessageLen  = 72      // struct inet_diag_msg
	diagPort        = 4       // in it, big-endian
	diagInode       = 68
	diagBufferBytes = 32 << 10
)

// ListeningTCP calls note with the port and the inode of each TCP socket of the network namespace that listens.
func ListeningTCP(note func(port uint16, inode uint32)) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := listening(family, note); err != nil {
			return fmt.Errorf("asking who listens: %w", err)
		}
	}
	return nil
}

func listening(family byte, note func(port uint16, inode uint32)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer Close(fd)
	ne := binary.NativeEndian
	request := make([]byte, unix.NLMSG_HDRLEN+diagRequestLen)
	ne.PutUint32(request, uint32(len(request)))
	ne.PutUint16(request[4:], diagByFamily)
	ne.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[unix.NLMSG_HDRLEN], request[unix.NLMSG_HDRLEN+1] = family, unix.IPPROTO_TCP
	ne.PutUint32(request[unix.NLMSG_HDRLEN+4:], diagListen)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for buf := make([]byte, diagBufferBytes); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0) // the kernel answers at once
		if err != nil {
			return err
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(ne.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				return unix.EBADMSG
			}
			body := b[unix.NLMSG_HDRLEN:size]
			switch kind := ne.Uint16(b[4:]); {
			case kind == unix.NLMSG_DONE:
				return nil
			case kind == unix.NLMSG_ERROR && len(body) >= 4:
				return unix.Errno(-int32(ne.Uint32(body)))
			case kind == diagByFamily && len(body) >= diagMessageLen:
				note(binary.BigEndian.Uint16(body[diagPort:]), ne.Uint32(body[diagInode:]))
			}
			b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
		}
	}
}
