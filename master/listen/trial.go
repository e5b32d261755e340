// Trials: whether addresses could be had, found out without taking one.

package listen

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Trial is an address that the service has not yet. Any goroutine may try it.
type Trial struct {
	Pool    string // empty: it is of none
	Address config.Listen
	Own     []uint64 // inodes of sockets that are no obstacle
}

// Trials returns the addresses of a layout that nobody listens on for this service.
func (s *Set) Trials(y Layout) (all []Trial) {
	for i := range y.Pools {
		for _, address := range y.Pools[i].Listens() {
			if s.Count(address) == 0 {
				all = append(all, Trial{y.Pools[i].Name, address, s.Own(address)})
			}
		}
	}
	return all
}

// Try finds out whether a socket could be bound, as Claim would. It leaves nothing behind.
func (t Trial) Try() error {
	if err := Probe(t.Address, t.Own); err != nil {
		return err
	}
	if t.Address.Network == "unix" {
		return tryPath(t.Address.Address)
	}
	fd, err := sock.BindTCP(t.Address.AddrPort, true)
	if err != nil {
		return err
	}
	return sock.Close(fd)
}

// tryPath finds out whether a socket could be made at a path: what is there may be an old socket at most.
func tryPath(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return sock.NotASocket(path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return Cause(err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".pinion-*")
	if err != nil {
		return Cause(err)
	}
	file.Close()
	return os.Remove(file.Name())
}
