// The file descriptor store: what systemd keeps for the master that comes after one that was killed, and by which names.

package systemd

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const maxStoreNameBytes = 255

// What is stored of a generation, beside the listening sockets: the kinds of Stored.
const (
	Worker = "worker" // the master's end of the worker link
	Spec   = "spec"   // memory file with what the worker of slot 0 was told
	Shared = "shared" // the counters
)

// Stored is one of those descriptors.
type Stored struct {
	Kind       string
	Generation uint64
	Slot, PID  int // of a worker
}

// Name returns the name by which it is stored: <kind>/<generation>, or worker/<generation>/<slot>/<pid>.
func (s Stored) Name() string {
	if s.Kind == Worker {
		return fmt.Sprintf("%s/%d/%d/%d", s.Kind, s.Generation, s.Slot, s.PID)
	}
	return fmt.Sprintf("%s/%d", s.Kind, s.Generation)
}

// ParseStored reads such a name; false: it is the name of something else.
func ParseStored(name string) (s Stored, ok bool) {
	kind, rest, _ := strings.Cut(name, "/")
	s.Kind = kind
	var err error
	switch kind {
	case Worker:
		_, err = fmt.Sscanf(rest, "%d/%d/%d", &s.Generation, &s.Slot, &s.PID)
	case Spec, Shared:
		s.Generation, err = strconv.ParseUint(rest, 10, 64)
	default:
		return s, false
	}
	return s, err == nil
}

// Store has systemd keep a copy of a descriptor, which the next process of the service inherits under the same name,
// even after a crash. FileDescriptorStoreMax= limits how many are kept; systemd does not say when it keeps no more.
// Storing again changes nothing: a file in the store keeps its first name. A socket of a .socket unit is kept by systemd
// anyway, and would come back twice. The error is of a name or a descriptor that cannot be stored.
func (s *Manager) Store(name string, fd int) error {
	encoded, err := encodeStoreName(name)
	if err != nil || !s.Present() {
		return err
	}
	own, err := sock.Dup(fd)
	if err != nil {
		return fmt.Errorf("storing %q: %w", name, err)
	}
	s.add(notice{text: "FDSTORE=1\nFDNAME=" + encoded, kind: noticeStore, name: name, fd: own})
	return nil
}

// Unstore has systemd close its copies of all descriptors of that name.
func (s *Manager) Unstore(name string) {
	if encoded, err := encodeStoreName(name); err == nil { // else it has none
		s.add(notice{text: "FDSTOREREMOVE=1\nFDNAME=" + encoded, kind: noticeUnstore, name: name, fd: -1})
	}
}

// encodeStoreName writes what systemd does not allow in the name of a descriptor, and the percent sign, as in a URL.
func encodeStoreName(name string) (string, error) {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f || c == ':' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() > maxStoreNameBytes {
		return "", fmt.Errorf("storing %q: as the name of a descriptor it has %d bytes, %d are allowed",
			name, b.Len(), maxStoreNameBytes)
	}
	return b.String(), nil
}

// decodeStoreName reads a name as encodeStoreName has written it. Others, from a .socket unit, are what they are.
func decodeStoreName(name string) string {
	if decoded, err := url.PathUnescape(name); err == nil {
		return decoded
	}
	return name
}
