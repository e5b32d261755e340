// Who else listens: before sockets are opened on an address, nobody may be there but this service itself, whose sockets on
// the same address, or on a wider or narrower one, are no obstacle.

package master

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// probe fails with EADDRINUSE if another process serves the address. Sockets whose inodes are in own are this service's;
// none are in the way of the address if there are none.
func probe(l config.Listen, own []uint64) error {
	switch {
	case l.Network == "unix":
		return probeUnix(l.Address, own)
	case len(own) > 0:
		return probeOthers(l.AddrPort, own)
	}
	// Without SO_REUSEPORT the kernel refuses an address that anybody listens on. Connections in TIME_WAIT are no
	// obstacle: SO_REUSEADDR is set.
	fd, err := sock.ListenTCP(l.AddrPort, 1, false)
	if err != nil {
		return err
	}
	return sock.Close(fd)
}

// probeOthers looks through what the kernel lists, since it would refuse the address because of our own sockets.
func probeOthers(addr netip.AddrPort, own []uint64) error {
	table := "/proc/net/tcp6"
	if addr.Addr().Is4() {
		table = "/proc/net/tcp"
	}
	file, err := os.Open(table)
	if errors.Is(err, os.ErrNotExist) { // no IPv6 here: the listening will tell
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := listeningIn(file)
	if err != nil {
		return err
	}
	for _, s := range all {
		same := s.at.Addr() == addr.Addr().WithZone("") || s.at.Addr().IsUnspecified() || addr.Addr().IsUnspecified()
		if s.at.Port() == addr.Port() && same && !slices.Contains(own, s.inode) {
			return syscall.EADDRINUSE
		}
	}
	return nil
}

// listening is a TCP socket that listens.
type listening struct {
	at    netip.AddrPort
	inode uint64
}

// listeningIn reads a table of proc_net_tcp(5) as far as it lists sockets that listen, which are its first.
func listeningIn(table io.Reader) (all []listening, err error) {
	const (
		fieldLocal, fieldState, fieldInode = 1, 3, 9
		stateListen                        = "0A"
	)
	lines := bufio.NewScanner(table)
	lines.Scan() // the names of the columns
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= fieldInode || fields[fieldState] != stateListen {
			break
		}
		at, err := parseKernelAddress(fields[fieldLocal])
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(fields[fieldInode], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, listening{at, inode})
	}
	return all, lines.Err()
}

// parseKernelAddress reads an address as /proc/net has it: 32-bit words in the machine's order, and the port, in hexadecimal.
func parseKernelAddress(text string) (at netip.AddrPort, err error) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return at, err
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return at, err
	}
	for word := b; len(word) >= 4; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	ip, ok := netip.AddrFromSlice(b)
	if !ok {
		return at, errors.New("reading the address " + strconv.Quote(text) + ": not of a length that addresses have")
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// probeUnix connects to a path. One at which nobody listens can still be about to: of a process that is just starting.
func probeUnix(path string, own []uint64) error {
	fd, _, err := sock.ConnectUnix(path)
	switch {
	case err == nil:
		sock.Close(fd)
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.EAGAIN): // its queue is full
		return syscall.EADDRINUSE
	case !errors.Is(err, syscall.ECONNREFUSED):
		return nil // nothing there, or nothing to connect to: the binding will tell
	}
	file, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil
	}
	defer file.Close()
	bound, err := boundIn(file, path)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(bound, func(inode uint64) bool { return !slices.Contains(own, inode) }) {
		return syscall.EADDRINUSE
	}
	return nil
}

// boundIn returns the inodes of the sockets that are bound to a path and are no connection, from the table of unix(7).
func boundIn(table io.Reader, path string) (inodes []uint64, err error) {
	const (
		fieldState, fieldInode, fieldPath = 5, 6, 7
		stateUnconnected                  = "01"
	)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		if !strings.HasSuffix(lines.Text(), path) {
			continue
		}
		fields := strings.SplitN(strings.Join(strings.Fields(lines.Text()), " "), " ", fieldPath+1)
		if len(fields) <= fieldPath || fields[fieldState] != stateUnconnected || !strings.HasSuffix(lines.Text(), " "+path) {
			continue
		}
		inode, err := strconv.ParseUint(fields[fieldInode], 10, 64)
		if err != nil {
			return nil, err
		}
		inodes = append(inodes, inode)
	}
	return inodes, lines.Err()
}

// formerSocket was one of our listeners. Workers may have it for a while, or for as long as they hang.
type formerSocket struct {
	Network string `json:"network"`
	Address string `json:"address"`
	Inode   uint64 `json:"inode"`
}

// maxFormer is how many are remembered, the latest ones. The kernel hardly ever gives a number again.
const maxFormer = 256

func (m *master) noteFormer(l *listener) {
	m.former = append(m.former, formerSocket{l.network, l.address, l.inode})
	m.former = m.former[max(0, len(m.former)-maxFormer):]
}

// own returns the inodes of the service's sockets that could be in the way of an address; nil if there are none.
func (m *master) own(address config.Listen) (inodes []uint64) {
	all := slices.Clone(m.former)
	for i := range m.listeners {
		all = append(all, formerSocket{m.listeners[i].network, m.listeners[i].address, m.listeners[i].inode})
	}
	for _, s := range all {
		at, _ := netip.ParseAddrPort(s.Address) // none of a unix socket
		other := config.Listen{Network: s.Network, Address: s.Address, AddrPort: at}
		if address.ID() == other.ID() || address.Overlaps(other) {
			inodes = append(inodes, s.Inode)
		}
	}
	return inodes
}

// alone does what must be done by one starting master at a time: between finding an address free and listening there,
// another one would find it free, too. Where somebody else has taken the name for good, it is done all the same.
func alone(do func() error) error {
	if unlock, err := sock.LockName(fmt.Sprintf("pinion/start/%d", os.Geteuid()), lockPatience); err == nil {
		defer unlock()
	}
	return do()
}
