// What hurts on this machine alone: addresses that it has not, folders that are not there.

package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Machine is what a configuration would run on, as far as that is known; the zero Machine is not known at all.
type Machine struct {
	Workers     int
	Descriptors int                            // that a worker may have; 0: unknown
	Addresses   []netip.Addr                   // of its interfaces
	Bind        func(netip.Addr) error         // whether a socket may have that address; nil: unknown
	Folder      func(path string) error        // whether that is one; nil: unknown
	Lookup      func(host string) []netip.Addr // the addresses of a name; nil: unknown
}

// lookupTimeout bounds all that one look at a configuration asks name servers for.
const lookupTimeout = 2 * time.Second

// ThisMachine is the one that the process runs on.
func ThisMachine(workers, descriptors int) Machine {
	deadline := time.Now().Add(lookupTimeout)
	return Machine{Workers: workers, Descriptors: descriptors, Addresses: ownAddresses(), Bind: bind, Folder: folder,
		Lookup: func(host string) []netip.Addr {
			ctx, cancel := context.WithDeadline(context.Background(), deadline)
			defer cancel()
			addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // a name that is not known now has no addresses
			return addrs
		}}
}

func ownAddresses() (own []netip.Addr) {
	all, _ := net.InterfaceAddrs() // none are known then
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}

// bind tries an address with a socket that nobody can connect to.
func bind(addr netip.Addr) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err == nil {
		c.Close()
	}
	return err
}

func folder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return syscall.ENOTDIR
	}
	return err
}

// ofUnit are the folders that the unit of the package has systemd make.
var ofUnit = []string{"/run/pinion", "/var/run/pinion"}

// listen finds an address to listen on that cannot be had.
func (w *warner) listen(pool string, l *Listen, key string, at place) {
	hint, message := "", ""
	switch {
	case l.Network == "unix":
		message, hint = w.machine.missing(l.Address)
	case l.Network == "tcp" && w.machine.Bind != nil && errors.Is(w.machine.Bind(l.AddrPort.Addr()), syscall.EADDRNOTAVAIL):
		message, hint = "no interface of this machine has that address", w.machine.hintForAddress()
	}
	if message != "" {
		w.add(pool, at, fmt.Sprintf("%s %q: %s", key, l.Text, message), hint)
	}
}

// missing tells whether there is no folder for a socket.
func (m *Machine) missing(path string) (message, hint string) {
	dir := filepath.Dir(path)
	if m.Folder == nil || slices.Contains(ofUnit, dir) {
		return "", ""
	}
	switch err := m.Folder(dir); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("there is no folder %s", dir), "make it, or have systemd make it: RuntimeDirectory="
	case errors.Is(err, syscall.ENOTDIR):
		return dir + " is no folder", "write the path of a socket in a folder"
	}
	return "", ""
}

func (m *Machine) hintForAddress() string {
	const few = 4
	var texts []string
	for _, a := range m.Addresses {
		if len(texts) < few && !a.IsLinkLocalUnicast() {
			texts = append(texts, a.String())
		}
	}
	if len(texts) == 0 {
		return "write 0.0.0.0 for all that it has"
	}
	return fmt.Sprintf("write one that it has, such as %s, or 0.0.0.0 for all", strings.Join(texts, ", "))
}

// has reports whether who connects to an address gets to this machine.
func (m *Machine) has(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || slices.Contains(m.Addresses, a.WithZone(""))
}

// addresses returns those of a host, be it an address or a name.
func (m *Machine) addresses(host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	if host == "localhost" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	if m.Lookup == nil {
		return nil
	}
	all := m.Lookup(host)
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all
}
