// What a load is made of, in the words of its user, and whether it can be meant.

package load

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
)

// Protocol is what the clients speak.
type Protocol string

const (
	Redis    Protocol = "redis"
	Memcache Protocol = "memcache"
)

// Operation is what the clients ask for.
type Operation string

const (
	Get   Operation = "get"
	Set   Operation = "set"
	MGet  Operation = "mget"
	MSet  Operation = "mset"
	Mixed Operation = "mixed" // one set for every nine gets
	Miss  Operation = "miss"  // a get of what is not there
	Multi Operation = "multi" // a transaction of gets, for one server
)

// Operations lists all operations.
func Operations() []Operation { return []Operation{Get, Set, MGet, MSet, Mixed, Miss, Multi} }

// Spec describes a load.
type Spec struct {
	Addresses      []string // "ip:port", or the path of a unix socket; connections take them in turn
	Protocol       Protocol
	Operation      Operation
	Connections    int
	Pipeline       int // requests that a connection sends at once
	Keys           int // distinct keys
	KeysPerRequest int // of MGet, MSet and Multi
	ValueBytes     int
	Threads        int
	CPUs           []int       // that the threads are restricted to; nil = no restriction
	TLS            *tls.Config // nil: plaintext
	InOrder        bool        // all keys one after the other instead of at random
}

const (
	maxConnections    = 60_000
	maxPipeline       = 100_000
	maxKeysPerRequest = 10_000
	maxKeys           = 1_000_000_000
	maxValueBytes     = 512 << 20
)

// check returns what is wrong with the load.
func (s *Spec) check() error {
	for _, bound := range []struct {
		what     string
		n        int
		min, max int
	}{
		{"connections", s.Connections, 1, maxConnections},
		{"pipeline", s.Pipeline, 1, maxPipeline},
		{"keys", s.Keys, 1, maxKeys},
		{"keys per request", s.KeysPerRequest, 1, maxKeysPerRequest},
		{"value bytes", s.ValueBytes, 0, maxValueBytes},
		{"threads", s.Threads, 1, s.Connections},
		{"addresses", len(s.Addresses), 1, maxConnections},
	} {
		if bound.n < bound.min || bound.n > bound.max {
			return fmt.Errorf("%s: %d is not between %d and %d", bound.what, bound.n, bound.min, bound.max)
		}
	}
	if _, ok := dialects[s.Protocol]; !ok {
		return fmt.Errorf("unknown protocol %q; it is redis or memcache", s.Protocol)
	}
	if _, _, err := dialects[s.Protocol].exchanges(s.Operation); err != nil {
		return err
	}
	for _, address := range s.Addresses {
		if _, err := netip.ParseAddrPort(address); err != nil && !strings.HasPrefix(address, "/") {
			return fmt.Errorf("address %q is neither IP:PORT nor the path of a unix socket", address)
		}
	}
	return nil
}
