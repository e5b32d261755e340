// Why a handshake has failed, in an operator's words.

package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// Cause is a kind of reason for which there is no encrypted connection.
type Cause uint8

const (
	Elsewhere Cause = iota // the reason has nothing to do with TLS
	Plaintext              // the other end does not speak it
	Silent                 // nothing has come, or the connection was closed: it may not speak it
	Refused                // Flaw says why one end does not want the other
)

// alert is how crypto/tls begins what the other end has said.
const alert = "remote error: tls: "

func isAlert(err error) bool {
	said := tls.AlertError(0)
	return errors.As(err, &said) || err != nil && strings.Contains(err.Error(), alert)
}

// Explain says what an error of Secure means, or one of the connection that it has returned: with TLS 1.3 a server looks at our
// certificate only when the connection stands.
func Explain(err error) (Cause, *Flaw) {
	var record tls.RecordHeaderError
	var wrong *tls.CertificateVerificationError
	n := net.Error(nil)
	switch {
	case err == nil:
		return Elsewhere, nil
	case errors.As(err, &record):
		return Plaintext, nil
	case errors.As(err, &wrong):
		return Refused, distrust(wrong)
	case isAlert(err):
		_, said, _ := strings.Cut(err.Error(), alert)
		return Refused, refusal(said)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &n) && n.Timeout():
		return Silent, nil
	case strings.HasPrefix(err.Error(), "tls: "):
		return Refused, &Flaw{"speaks TLS otherwise than Pinion does: " + strings.TrimPrefix(err.Error(), "tls: "), "have it speak TLS 1.3, or 1.2 with AES-GCM or ChaCha20-Poly1305"}
	}
	return Elsewhere, nil
}

// distrust says why a server's certificate was not accepted.
func distrust(e *tls.CertificateVerificationError) *Flaw {
	shown := "shows a certificate"
	if len(e.UnverifiedCertificates) > 0 {
		shown += " (" + Name(e.UnverifiedCertificates[0]) + ")"
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.Err, &name):
		return misnamed(shown, name)
	case errors.As(e.Err, &unknown):
		return &Flaw{shown + " of an authority that is unknown here", "name a file with that authority's certificate in server_tls_ca"}
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		c := invalid.Cert
		return &Flaw{fmt.Sprintf("%s, and that of %s is good from %s to %s only", shown, Name(c), Day(c.NotBefore), Day(c.NotAfter)), "have it renewed there, or see whether the clock here is right"}
	}
	return &Flaw{shown + " that is not accepted: " + strings.TrimPrefix(e.Err.Error(), "x509: "), "have it issued again, for a server"}
}

// misnamed says which names a certificate bears. Its common name is none of them.
func misnamed(shown string, e x509.HostnameError) *Flaw {
	const few = 4
	var all []string
	for _, ip := range e.Certificate.IPAddresses {
		all = append(all, ip.String())
	}
	all = append(append([]string{}, e.Certificate.DNSNames...), all...)
	if len(all) == 0 {
		return &Flaw{shown + " that bears no name, as it has no subjectAltName: the common name does not count", "have it issued again with one, or set server_tls_verify: ca"}
	}
	more := ""
	if len(all) > few {
		more = fmt.Sprintf(" and %d more", len(all)-few)
		all = all[:few]
	}
	return &Flaw{fmt.Sprintf("%s for %s%s, and not for %s", shown, strings.Join(all, ", "), more, e.Host),
		"set server_tls_name to a name that it bears, or server_tls_verify: ca to take any"}
}

// refusal says what a server has against us, by the name of its alert.
func refusal(said string) *Flaw {
	switch said {
	case "certificate required":
		return &Flaw{"wants a certificate from whoever connects", "add server_tls_cert and server_tls_key, or have it ask for none (tls-auth-clients no of Redis, ssl_verify_mode 0 of memcached)"}
	case "unknown certificate authority":
		return &Flaw{"does not know the authority of our certificate", "show it one of an authority that it knows (tls-ca-cert-file of Redis, ssl_ca_cert of memcached)"}
	case "expired certificate":
		return &Flaw{"says that our certificate has ended", "renew what server_tls_cert names"}
	case "bad certificate", "unsupported certificate", "revoked certificate", "unknown certificate", "access denied":
		return &Flaw{fmt.Sprintf("refuses our certificate (%s)", said), "show it one that is for a client, and of an authority that it knows; its log may say more"}
	case "protocol version not supported":
		return &Flaw{"speaks neither TLS 1.2 nor 1.3", "have it speak one of them"}
	case "handshake failure":
		return &Flaw{"and Pinion cannot agree on how to encrypt, or it wants a certificate from whoever connects", "add server_tls_cert and server_tls_key, or have it speak TLS 1.3, or 1.2 with AES-GCM or ChaCha20-Poly1305"}
	case "unrecognized name":
		return &Flaw{"does not know the name that it is asked for", "set server_tls_name to one that it has"}
	}
	return &Flaw{fmt.Sprintf("has ended the handshake: %q", said), "see its log"}
}
