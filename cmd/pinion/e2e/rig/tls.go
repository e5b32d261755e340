// Real servers that speak TLS.

package rig

import (
	"net"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// RedisTLS starts a Redis that speaks TLS only, with a certificate of an authority. authClients is whether clients have to show one of
// it, too: yes, no or optional.
func RedisTLS(t testing.TB, address string, ca *certtest.Authority, s certtest.Subject, authClients string, options ...string) *Backend {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = true
	dir := ShortDir(t)
	crt, key := ca.Issue(s).Write(t, dir, "server")
	return redisAt(t, "tcp", address, append([]string{"--bind", host, "--port", "0", "--tls-port", port, "--tls-cert-file", crt, "--tls-key-file", key,
		"--tls-ca-cert-file", certtest.Write(t, dir+"/ca.crt", ca.PEM), "--tls-auth-clients", authClients}, options...)...)
}

// MemcachedTLS starts a memcached that speaks TLS only. verify is its ssl_verify_mode: 0 for no certificates of clients, 2 for certificates
// of the authority.
func MemcachedTLS(t testing.TB, address string, ca *certtest.Authority, s certtest.Subject, verify string, options ...string) *Backend {
	t.Helper()
	s.Server = true
	dir := ShortDir(t)
	crt, key := ca.Issue(s).Write(t, dir, "server")
	files := "ssl_chain_cert=" + crt + ",ssl_key=" + key + ",ssl_ca_cert=" + certtest.Write(t, dir+"/ca.crt", ca.PEM)
	return MemcachedAt(t, "tcp", address, append([]string{"-l", address, "-Z", "-o", files + ",ssl_verify_mode=" + verify}, options...)...)
}
