// TLS of a pool, towards its servers and towards its clients. The master has read the files, and found that each key belongs to
// its certificate: a worker reads none.

package link

import (
	"slices"
	"time"
)

// Verify is what the certificate of a server is held against.
type Verify string

const (
	VerifyFull Verify = "full" // it leads to an authority, is valid now, and bears the server's name
	VerifyCA   Verify = "ca"   // the same, whatever its name
	VerifyNone Verify = "none" // it may be any
)

// ServerTLS is how connections to the servers of a pool are encrypted.
type ServerTLS struct {
	Verify Verify
	CA     []byte   `json:",omitempty"` // PEM, of the authorities that count; empty: those of the system, which a worker reads before it is confined
	Pair   *KeyPair `json:",omitempty"` // shown to servers that ask for one; nil: none is
	Name   string   `json:",omitempty"` // that servers are asked for, and that their certificates have to bear; empty: the host of each server
}

// KeyPair is a certificate, with those that lead from it towards an authority, and its private key: PEM.
type KeyPair struct {
	Certificate []byte
	Key         []byte
}

// AuthClients is whether clients have to show a certificate.
type AuthClients string

const (
	AuthClientsNo       AuthClients = "no"       // none is asked for
	AuthClientsOptional AuthClients = "optional" // one that is shown has to be good
	AuthClientsYes      AuthClients = "yes"
)

// CertificateUser is which part of a client's certificate names its user.
type CertificateUser string

const (
	CertificateUserOff CertificateUser = "off" // none
	CertificateUserCN  CertificateUser = "cn"  // the common name of the subject
	CertificateUserURI CertificateUser = "uri" // the one URI among its alternative names
)

// IsOn tells whether there is such a part.
func (u CertificateUser) IsOn() bool { return u == CertificateUserCN || u == CertificateUserURI }

// ClientTLS is how connections from clients are encrypted, at those listeners of a pool that have TLS.
type ClientTLS struct {
	Pairs            []KeyPair // at least one; a client gets that which fits the name and the algorithms that it has said
	CA               []byte    `json:",omitempty"` // PEM, of the authorities whose clients are let in; empty only without AuthClients
	AuthClients      AuthClients
	AuthClientsUser  CertificateUser
	HandshakeTimeout time.Duration
}

// MarkCritical names in s what a reader must know of its pools: who skips it would ask the wrong servers, or speak plaintext.
func (s *Spec) MarkCritical() {
	has := func(is func(p *Pool) bool) bool {
		return slices.ContainsFunc(s.Pools, func(p Pool) bool { return is(&p) })
	}
	s.Critical = nil
	if has((*Pool).IsCluster) {
		s.Critical = append(s.Critical, "Pools.Seeds")
	}
	if has(func(p *Pool) bool { return p.ServerPassword != "" }) {
		s.Critical = append(s.Critical, "Pools.ServerPassword")
	}
	if has(func(p *Pool) bool { return len(p.Users) > 0 }) {
		s.Critical = append(s.Critical, "Pools.Users")
	}
	if has(func(p *Pool) bool { return p.ServerTLS != nil }) {
		s.Critical = append(s.Critical, "Pools.ServerTLS")
	}
	if has(func(p *Pool) bool { return p.TLS != nil }) {
		s.Critical = append(s.Critical, "Pools.TLS", "Listeners.TLS")
	}
}
