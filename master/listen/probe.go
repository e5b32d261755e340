// Who else listens: before sockets are opened on an address, nobody may be there but this service itself, whose sockets on
// the same address, or on a wider or narrower one, are no obstacle.

package listen

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
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

// Probe fails with EADDRINUSE if another process serves the address. Sockets whose inodes are in own are this service's;
// none are in the way of the address if there are none.
func Probe(l config.Listen, own []uint64) error {
	switch {
	case l.Network == "unix":
		return ProbeUnix(l.Address, own)
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

// parseKernelAddress reads an address as /proc/net has it: 32-bit words in the machine's order, and the port, in
// hexadecimal.
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

// ProbeUnix connects to a path. One at which nobody listens can still be about to: of a process that is just starting.
func ProbeUnix(path string, own []uint64) error {
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

// SocketsOn returns the sockets that listen on one of these addresses, or on the same port of another one, as /proc
// writes them. Of those that the kernel does not tell about nothing is known.
func SocketsOn(on []config.Listen) map[string]bool {
	ports, paths, sockets := map[uint16]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range on {
		if l.Network == "unix" {
			paths[l.Address] = true
		} else {
			ports[l.AddrPort.Port()] = true
		}
	}
	note := func(inode string) { sockets["socket:["+inode+"]"] = true }
	sock.ListeningTCP(func(port uint16, inode uint32) {
		if ports[port] {
			note(strconv.FormatUint(uint64(inode), 10))
		}
	})
	const (
		fieldFlags, fieldInode, fieldPath = 3, 6, 7
		listens                           = "00010000" // __SO_ACCEPTCON
	)
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == fieldPath+1 && f[fieldFlags] == listens && paths[f[fieldPath]] {
			note(f[fieldInode])
		}
	}
	return sockets
}
