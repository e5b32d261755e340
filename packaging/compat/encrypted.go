// The setting with TLS: servers that speak it, and a Pinion of its own that speaks it on both sides, and is replaced under each library.

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The ways in which programs speak TLS. Each is what they get in COMPAT_TLS.
const (
	tls13       = "1.3"
	tls12       = "1.2"
	certificate = "certificate" // 1.3, and the client shows a certificate that says which user it is
	noTLS       = ""
)

// certified is the user that a client with a certificate is.
const certified = "compat"

// encrypted is what is there for programs that speak TLS.
type encrypted struct {
	pinion, control string
	certificates
	pools map[string]string // address by name: redis, certificate, memcached
}

// startEncrypted starts servers, and a Pinion before them. A server has a port for plaintext, too, so that it can be emptied.
func (s *scene) startEncrypted(pinion, work, who string) (err error) {
	e := &s.encrypted
	e.pinion, e.control = pinion, filepath.Join(work, "tls.sock")
	if e.certificates, err = makeCertificates(filepath.Join(work, "tls")); err != nil {
		return err
	}
	open, err := s.redisWithTLS(work, "no")
	if err != nil {
		return err
	}
	strict, err := s.redisWithTLS(work, "yes")
	if err != nil {
		return err
	}
	memcached, err := s.memcachedWithTLS(work, who)
	if err != nil {
		return err
	}
	return s.launchEncrypted(work, open, strict, memcached)
}

// redisWithTLS returns the address at which TLS is spoken.
func (s *scene) redisWithTLS(work, wantsCertificates string) (string, error) {
	plaintext, address, err := twoAddresses()
	if err != nil {
		return "", err
	}
	host, port, _ := net.SplitHostPort(plaintext)
	_, tlsPort, _ := net.SplitHostPort(address)
	cert, key := s.encrypted.server()
	s.real.redis = append(s.real.redis, plaintext)
	return address, s.launch(work, "redis-server", "--bind", host, "--port", port, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", s.encrypted.authority(), "--tls-auth-clients", wantsCertificates, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir", work)
}

func (s *scene) memcachedWithTLS(work, who string) (string, error) {
	plaintext, address, err := twoAddresses()
	if err != nil {
		return "", err
	}
	cert, key := s.encrypted.server()
	s.real.memcached = append(s.real.memcached, plaintext)
	return address, s.launch(work, "memcached", "-l", "notls:"+plaintext, "-l", address, "-U", "0", "-u", who, "-Z",
		"-o", "ssl_chain_cert="+cert+",ssl_key="+key+",ssl_ca_cert="+s.encrypted.authority())
}

func twoAddresses() (first, second string, err error) {
	if first, err = freeAddress(); err == nil {
		second, err = freeAddress()
	}
	return first, second, err
}

func (s *scene) launchEncrypted(work, open, strict, memcached string) error {
	e := &s.encrypted
	cert, key := e.server()
	clientCert, clientKey := e.client()
	both := fmt.Sprintf("  tls_cert: %s\n  tls_key: %s\n  server_tls: true\n  server_tls_ca: %s\n", cert, key, e.authority())
	named := fmt.Sprintf("  tls_ca: %s\n  tls_auth_clients: yes\n  tls_auth_clients_user: cn\n  users: [\"%s on ~* &* +@all\"]\n"+
		"  server_tls_cert: %s\n  server_tls_key: %s\n", e.authority(), certified, clientCert, clientKey)
	e.pools = map[string]string{}
	var config strings.Builder
	for _, p := range []struct{ name, options, server string }{
		{"redis", both + redisOptions, open},
		{"certificate", both + named + redisOptions, strict},
		{"memcached", both + memcachedOptions, memcached},
	} {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		e.pools[p.name] = address
		fmt.Fprintf(&config, "%s:\n  listen: %s tls\n%s  servers:\n   - %s:1 server1\n", p.name, address, p.options, p.server)
	}
	stats, err := freeAddress()
	if err != nil {
		return err
	}
	file := filepath.Join(work, "tls.yml")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(stats)
	return s.launch(work, e.pinion, "-c", file, "-a", "127.0.0.1", "-s", port, "-p", filepath.Join(work, "tls.pid"), "--control", e.control, "--workers", "2")
}

// poolOf is the pool that a library uses.
func (e *encrypted) poolOf(l library) string {
	switch {
	case l.memcached:
		return "memcached"
	case l.tls == certificate:
		return "certificate"
	}
	return "redis"
}

// environment tells a program what its TLS needs. Most libraries find the authority where OpenSSL, Go and Node look for those of the system.
func (e *encrypted) environment(l library) []string {
	set := []string{"COMPAT_TLS=" + l.tls, "SSL_CERT_FILE=" + e.authority(), "NODE_EXTRA_CA_CERTS=" + e.authority()}
	switch l.tls {
	case tls12:
		set = append(set, "OPENSSL_CONF="+e.at12())
	case certificate:
		cert, key := e.client()
		set = append(set, "COMPAT_CERT="+cert, "COMPAT_KEY="+key)
	}
	return set
}

// replaced has every process of Pinion replaced, first its workers and then all, and says whether the connections of a pool are still there.
func (e *encrypted) replaced(pool string) check {
	c := check{name: movedName}
	before, err := e.clients(pool)
	if err == nil && len(before) == 0 {
		err = fmt.Errorf("there is no connection")
	}
	for _, how := range []string{"reload", "upgrade"} {
		if err == nil {
			_, err = e.command(how)
		}
	}
	var after map[uint64]string
	if err == nil { // not all clients are known at the moment at which the last of the old workers end
		err = eventually(func() (err error) { after, err = e.clients(pool); return err })
	}
	for id, address := range before {
		if err == nil && after[id] != address {
			err = fmt.Errorf("that of %s is gone", address)
		}
	}
	if err != nil {
		c.reason = err.Error()
	}
	c.ok = err == nil
	return c
}

const movedName = "the same connections after a reload and an upgrade"

// clients are the addresses of a pool's clients, by id.
func (e *encrypted) clients(pool string) (map[uint64]string, error) {
	text, err := e.command("clients", "--pool", pool, "--json")
	if err != nil {
		return nil, err
	}
	all := map[uint64]string{}
	for lines := json.NewDecoder(strings.NewReader(text)); lines.More(); {
		var client struct {
			ID      uint64
			Address string
		}
		if err := lines.Decode(&client); err != nil {
			return nil, err
		}
		all[client.ID] = client.Address
	}
	return all, nil
}

func (e *encrypted) command(args ...string) (string, error) {
	out, err := exec.Command(e.pinion, append(args, "--control", e.control)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("pinion %s: %w: %s", args[0], err, strings.Join(strings.Fields(string(out)), " "))
	}
	return string(out), err
}

// answers waits until Pinion listens.
func (e *encrypted) answers() error {
	for name, address := range e.pools {
		if err := eventually(func() error {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				err = conn.Close()
			}
			return err
		}); err != nil {
			return fmt.Errorf("pool %s with TLS: %w", name, err)
		}
	}
	return nil
}

// endIfInterrupted has that Pinion end with us; the kernel sees to all others.
func (e *encrypted) endIfInterrupted() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		e.end()
		os.Exit(1)
	}()
}

// end ends the Pinion of now, which after an upgrade is none of our children.
func (e *encrypted) end() {
	if e.pools != nil {
		e.command("stop", "--now")
	}
}
