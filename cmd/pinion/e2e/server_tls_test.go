// Servers that speak TLS and want certificates, which are renewed while clients stay connected.

package e2e_test

import (
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

func TestE2EServerTLS(t *testing.T) {
	t.Parallel()
	ca, other, dir := certtest.New(t, "ours"), certtest.New(t, "another"), rig.ShortDir(t)
	certtest.Write(t, dir+"/ca.crt", ca.PEM)
	renew := func(name string, a *certtest.Authority, rsa int) certtest.Pair {
		p := a.Issue(certtest.Subject{Name: name, RSA: rsa})
		p.Write(t, dir, "client")
		return p
	}
	renew("first", ca, 0)
	here := certtest.Subject{Hosts: []string{"127.0.0.1"}}
	redis, cache := rig.RedisTLS(t, rig.FreeAddress(t), ca, here, "yes"), rig.MemcachedTLS(t, rig.FreeAddress(t), ca, here, "2")
	options := []string{"timeout: 2000", "server_tls: true", "server_tls_ca: " + dir + "/ca.crt", "server_tls_cert: " + dir + "/client.crt", "server_tls_key: " + dir + "/client.key"}
	address, cached := rig.FreeAddress(t), rig.FreeAddress(t)
	o := operate(t, rig.Yaml(rig.Pool{Name: "redis", Listen: address, Options: append(options, "redis: true"), Servers: []string{redis.Address + ":1"}},
		rig.Pool{Name: "cache", Listen: cached, Options: options, Servers: []string{cache.Address + ":1"}}), address)
	c, m := o.Dial(), rig.Dial(t, "tcp", cached, rig.ReadMemcache)
	c.WantDo("+OK\r\n", "SET", "k", "1")
	m.Send("set k 0 0 1\r\n1\r\n")
	m.Want("STORED\r\n")

	second := renew("second", ca, 2048)
	third := ca.Issue(certtest.Subject{Name: "third"})
	certtest.Write(t, dir+"/client.crt", third.Certificate) // and the key of the second
	o.reloads(t, `server_tls_key "`+dir+`/client.key" is not the key of the certificate (CN=third)`)
	certtest.Write(t, dir+"/client.crt", second.Certificate)
	if out, _ := o.command("reload", "--dry-run"); !strings.Contains(out, `pool "redis": server_tls_cert: `+dir+"/client.crt has another certificate: CN=second, until ") {
		t.Errorf("a dry run says %s", out)
	}
	o.reloads(t, "")
	renew("stranger", other, 0)
	o.reloads(t, "new workers cannot reach")
	for _, step := range []string{"reload", "upgrade"} {
		renew(step, ca, 0)
		if out, err := o.command(step); err != nil {
			t.Errorf("%s: %v: %s", step, err, out)
		}
		c.WantDo("$1\r\n1\r\n", "GET", "k")
		m.Send("get k\r\n")
		m.Want("VALUE k 0 1\r\n1\r\nEND\r\n")
	}
	text := o.Output.String()
	for _, secret := range []string{"PRIVATE KEY", "BEGIN CERTIFICATE"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
