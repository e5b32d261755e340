// What is counted only in some pools, or of servers of some: elsewhere it is always 0, and is not told.

package metrics

import "github.com/pinion-proxy/pinion/worker/link"

// concern tells which pools a counter is of; the zero value: all.
type concern struct {
	where string
	of    func(p *link.Pool) bool
}

func (c *concern) concerns(p *link.Pool) bool { return c.of == nil || c.of(p) }

// note is what the help says of it.
func (c *concern) note() string {
	if c.of == nil {
		return ""
	}
	return "; only in pools " + c.where
}

var (
	thatEject    = concern{"that eject servers", (*link.Pool).Ejects}
	ofRedis      = concern{"of Redis", func(p *link.Pool) bool { return p.Protocol == link.Redis }}
	thatHold     = concern{"with failover_wait, sentinels or cluster", func(p *link.Pool) bool { return p.FailoverWait > 0 || p.Discovers() }}
	withReplicas = concern{"with read_from", (*link.Pool).ReadsReplicas}
	toServersTLS = concern{"with server_tls", func(p *link.Pool) bool { return p.ServerTLS != nil }}
	withTLS      = concern{"with TLS for clients", func(p *link.Pool) bool { return p.TLS != nil }}
)

// notInEachPool are the counters of pools that concern only some.
var notInEachPool = [link.FirstCommandFamily]concern{
	link.ClientHandshakes:      withTLS,
	link.ClientPlaintext:       withTLS,
	link.ClientUnsupported:     withTLS,
	link.ClientCertificate:     withTLS,
	link.ClientRefusesTLS:      withTLS,
	link.ClientHandshakeLate:   withTLS,
	link.ClientHandshakeFailed: withTLS,
	link.ClientsTLS:            withTLS,
}

// notEverywhere are the counters of servers that concern only some pools.
var notEverywhere = [len(link.ServerCounters)]concern{
	link.ServerEjectedAt:      thatEject,
	link.DedicatedConnections: ofRedis,
	link.BlockingResponses:    ofRedis,
	link.Held:                 thatHold,
	link.HeldBytes:            thatHold,
	link.HeldTotal:            thatHold,
	link.HeldExpired:          thatHold,
	link.ReplicaReads:         withReplicas,
	link.ReplicaFallbacks:     withReplicas,
	link.TLSHandshakes:        toServersTLS,
	link.TLSUnverified:        toServersTLS,
	link.TLSRefused:           toServersTLS,
	link.TLSFailed:            toServersTLS,
}
