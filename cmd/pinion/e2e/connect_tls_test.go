// pinion check --connect asks real servers by TLS, and says which of them are not who they should be.

package e2e_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

func TestE2EConnectTLS(t *testing.T) {
	t.Parallel()
	pinion, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ca, other, dir := certtest.New(t, "ours"), certtest.New(t, "another"), rig.ShortDir(t)
	here := certtest.Subject{Name: "here", Hosts: []string{"127.0.0.1"}}
	named := certtest.Subject{Name: "named", Hosts: []string{"redis.example"}}
	start := func(s certtest.Subject, authClients string) string {
		return rig.RedisTLS(t, rig.FreeAddress(t), ca, s, authClients).Address
	}
	open, optional, demanding := start(here, "no"), start(here, "optional"), start(here, "yes")
	elsewhere, ended := start(named, "no"), start(certtest.Subject{Hosts: here.Hosts, Ends: time.Now().Add(-time.Hour)}, "no")
	cache := rig.MemcachedTLS(t, rig.FreeAddress(t), ca, here, "2").Address
	plain, plainCache := rig.RedisServerTCP(t, rig.FreeAddress(t)).Address, rig.FreeAddress(t)
	host, port, _ := strings.Cut(plainCache, ":")
	rig.MemcachedAt(t, "tcp", plainCache, "-l", host, "-p", port)
	certtest.Write(t, dir+"/ca.crt", ca.PEM)
	certtest.Write(t, dir+"/other-ca.crt", other.PEM)
	ca.Issue(certtest.Subject{}).Write(t, dir, "ours")
	other.Issue(certtest.Subject{}).Write(t, dir, "other")

	pool := func(name, keys string, servers ...string) string {
		text := fmt.Sprintf("%s:\n  listen: %s\n  timeout: 400\n", name, rig.FreeAddress(t))
		for key := range strings.FieldsSeq(keys) {
			text += "  " + strings.ReplaceAll(strings.Replace(key, "=", ": ", 1), "DIR", dir) + "\n"
		}
		text += "  servers:\n"
		for i, s := range servers {
			text += fmt.Sprintf("  - %s:1 s%d\n", s, i+1)
		}
		return text
	}
	check := func(text string) (string, int) {
		cmd := exec.Command(pinion, "check", "--connect", "--workers", "2", "-c", rig.WriteConfig(t, text))
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}

	const redis, tls, cached = "redis=true ", "redis=true server_tls=true server_tls_ca=DIR/ca.crt ", "server_tls=true server_tls_ca=DIR/ca.crt "
	const ours, others = "server_tls_cert=DIR/ours.crt server_tls_key=DIR/ours.key ", "server_tls_cert=DIR/other.crt server_tls_key=DIR/other.key "
	out, status := check(pool("a", tls+ours, open, optional, demanding) + pool("b", tls, open, optional) + pool("c", tls+"server_tls_name=redis.example", elsewhere) +
		pool("d", tls+"server_tls_verify=ca", elsewhere) + pool("e", cached+ours, cache))
	if status != 0 || !strings.Contains(out, ": fit to run, 5 pools, 8 servers, ") || !strings.HasSuffix(out, "; 8 of 8 addresses asked can serve\n") {
		t.Errorf("status %d:\n%s", status, out)
	}

	out, status = check(pool("a", tls, demanding, elsewhere, ended, plain) + pool("b", tls+others, demanding) + pool("c", "redis=true server_tls=true server_tls_ca=DIR/other-ca.crt", open) +
		pool("d", redis, open) + pool("e", cached, cache, plainCache) + pool("f", "", cache))
	for _, want := range []string{
		`: pool "a": server "s1" at ` + demanding + " wants a certificate from whoever connects; add server_tls_cert and server_tls_key",
		`: pool "a": server "s2" at ` + elsewhere + " shows a certificate (CN=named) for redis.example, and not for 127.0.0.1; set server_tls_name",
		`: pool "a": server "s3" at ` + ended + " shows a certificate (CN=client), and that of CN=client is good from ",
		`: pool "a": server "s4" at ` + plain + " speaks no TLS, and is asked by it; ",
		`: pool "b": server "s1" at ` + demanding + " does not know the authority of our certificate; ",
		`: pool "c": server "s1" at ` + open + " shows a certificate (CN=here) of an authority that is unknown here; ",
		`: pool "d": server "s1" at ` + open + " speaks TLS, and is asked in plaintext; add server_tls: true",
		`: pool "e": server "s1" at ` + cache + " wants a certificate from whoever connects; ",
		`: pool "e": server "s2" at ` + plainCache + " speaks no TLS, and is asked by it; ",
		`: pool "f": server "s1" at ` + cache + " speaks TLS, and is asked in plaintext; add server_tls: true",
		"; 0 of 10 addresses asked can serve\n",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("%s is not there once", want)
		}
	}
	if status != 2 {
		t.Errorf("status %d, want 2", status)
	}
	if t.Failed() {
		t.Log(out)
	}
}
