// What a reload would change: the lines as an operator reads them, and that no difference goes unseen.

package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func parseTest(t *testing.T, file, text string) *Config {
	t.Helper()
	c, err := parse(file, []byte(text), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testdata/diff has pairs of files, and what Diff says of them in both directions.
func TestDiff(t *testing.T) {
	for _, file := range glob(t, "testdata/diff/*.old.yml") {
		base := strings.TrimSuffix(file, ".old.yml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			old := parseTest(t, file, string(readFile(t, file)))
			new := parseTest(t, base+".new.yml", string(readFile(t, base+".new.yml")))
			got := strings.Join(Diff(old, new), "\n") + "\n\nthe other way:\n" + strings.Join(Diff(new, old), "\n") + "\n"
			golden(t, base+".golden", got)
			if strings.Contains(got, "secret") {
				t.Error("the password is shown")
			}
		})
	}
}

// Every key of the table makes a difference, and one line.
func TestDiffSeesEveryKey(t *testing.T) {
	passwordFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	aclFile := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(aclFile, []byte("user bob on >secret ~* &* +@all"), 0o600); err != nil {
		t.Fatal(err)
	}
	others := map[string]string{
		"listen": "127.0.0.1:22122", "redis": "false", "hash": "md5", "hash_tag": `"{}"`, "distribution": "modula",
		"timeout": "1", "backlog": "1", "client_connections": "1", "client_idle_timeout": "1",
		"max_outstanding_requests": "1", "client_output_soft": "2k", "client_output_hard": "2m",
		"subscriber_output_hard": "2m", "dedicated_connections": "1",
		"max_request_bytes": "1k", "tcpkeepalive": "true", "redis_auth": "none", "memcached_auth": "me:secret", "users": `["bob on >secret ~* &* +@all"]`, "acl_file": aclFile, "server_user": "other", "server_password": "other", "server_password_file": passwordFile, "redis_db": "1", "databases": "16", "preconnect": "true",
		"auto_eject_hosts": "true", "on_failure": "fail_fast", "server_connections": "2", "server_retry_timeout": "1",
		"server_retry_max": "60000", "probe_interval": "1000", "eject_latency": "20", "eject_latency_floor": "20", "slow_start": "10000", "server_failure_limit": "1", "failover_wait": "1", "slowlog_us": "1", "cross_shard": "first_key", "mget_errors": "per_key", "drain_ping": "error", "deny": "none",
		"sentinels": "10.0.0.2:26379", "sentinel_user": "proxy", "sentinel_password": "other", "tls_cert": "[/other.crt]", "tls_key": "[/other.key]", "tls_ca": "/other-ca.crt", "tls_auth_clients": "yes", "tls_auth_clients_user": "cn", "tls_handshake_timeout": "1", "server_tls": "true", "server_tls_ca": "/ca.crt", "server_tls_cert": "/other.crt", "server_tls_key": "/other.key", "server_tls_name": "redis.example", "server_tls_verify": "ca", "sentinel_tls": "false", "cluster": "true", "servers": "127.0.0.1:6379:2", "workers": "1", "shutdown_timeout": "1", "handoff_patience": "1",
		"unreachable_servers": "strict", "orphans": "drain", "reload_on_change": "true", "memory_limit": "1m", "coalesce_us": "1", "key_samples": "1",
		"http": "127.0.0.1:22223", "http_tls_cert": "/other.crt", "http_tls_key": "/other.key", "http_tls_ca": "/ca.crt", "http_user": "other", "http_password": "two", "http_password_file": passwordFile,
		"drain_delay": "1", "cpus": "2-5,8", "control": "/run/pinion/other.sock", "control_group": "1234", "statistics": "127.0.0.1:22224", "log_level": "7", "log_requests": "10", "log_slow": "10", "log_format": "json", "log_file": "/var/log/pinion/other.log",
		"read_from": "prefer_replica", "max_replica_lag": "500", "read_your_writes": "1", "zone": "a",
	}
	with := func(key *Key, value string) *Config {
		base := map[string]string{"listen": "127.0.0.1:22121", "redis": "true", "servers": "127.0.0.1:6379:1"}
		var global, pool strings.Builder
		if key.Name == "memcached_auth" {
			base["redis"] = "false"
		}
		if strings.HasPrefix(key.Name, "sentinel") {
			base["sentinels"], base["sentinel_password"], base["servers"] = "10.0.0.1:26379", "one", "mymaster:1"
		}
		if strings.HasPrefix(key.Name, "eject_latency") || key.Name == "slow_start" {
			base["on_failure"], base["servers"] = "remap", "[127.0.0.1:6379:1, 127.0.0.1:6380:1, 127.0.0.1:6381:1]"
			base["eject_latency"] = "10"
		}
		if key.Name == "server_user" {
			base["server_password"] = "one"
		}
		if strings.HasPrefix(key.Name, "server_tls_") || key.Name == "sentinel_tls" {
			base["server_tls"] = "true"
		}
		if strings.HasPrefix(key.Name, "tls_") {
			base["listen"], base["tls_cert"], base["tls_key"], base["tls_ca"] = "127.0.0.1:22121 tls", "/one.crt", "/one.key", "/ca.crt"
			base["tls_auth_clients"], base[usersKey] = "optional", `["alice on nopass ~* &* +@all"]`
		}
		if key.Name == "server_tls_cert" || key.Name == "server_tls_key" {
			base["server_tls_cert"], base["server_tls_key"] = "/one.crt", "/one.key"
		}
		if key.Name == "probe_interval" {
			base["auto_eject_hosts"] = "true"
		}
		if key.Name == "cluster" {
			base["failover_wait"] = "1" // its default is another
			if value == "true" {
				base["servers"] = "127.0.0.1:6379"
			}
		}
		if isAboutReplicas[key.Name] {
			base["servers"] = "[{server: 127.0.0.1:6379:1, replicas: [127.0.0.1:6380]}]"
		}
		if key.Scope == GlobalScope && (value != "" || withHTTP[key.Name] != nil) {
			global.WriteString("global:\n")
			for name, base := range withHTTP[key.Name] {
				if value == "" || name != key.Name && key.Name != name+"_file" {
					global.WriteString("  " + name + ": " + base + "\n")
				}
			}
		}
		if value != "" && key.Scope == GlobalScope {
			global.WriteString("  " + key.Name + ": " + value + "\n")
		} else if value != "" {
			base[key.Name] = value
		}
		for name, value := range base {
			pool.WriteString("  " + name + ": " + value + "\n")
		}
		return parseTest(t, "with", global.String()+"alpha:\n"+pool.String())
	}
	for _, k := range Keys() {
		if k.get == nil {
			continue
		}
		other, ok := others[k.Name]
		if !ok {
			t.Errorf("the test has no other value for %s", k.Name)
			continue
		}
		old, new := with(&k, ""), with(&k, other)
		name := ": " + k.Name + ": "
		if k.many {
			name = ": server "
		}
		lines := 1
		switch k.Name {
		case usersKey:
			name = ": users: "
		case aclFileKey:
			lines = 2 // and its users
		case "http_password_file":
			lines = 2 // and the other key of the password
		}
		for _, got := range [][]string{Diff(old, new), Diff(new, old)} {
			if len(got) != lines || !strings.Contains(strings.Join(got, "\n"), name) {
				t.Errorf("%s: differences %q", k.Name, got)
			}
		}
	}
}

// withHTTP is what keys of the HTTP address need beside them.
var withHTTP = map[string]map[string]string{
	"http_tls_cert":      {"http": "127.0.0.1:22223", "http_tls_cert": "/one.crt", "http_tls_key": "/one.key"},
	"http_tls_key":       {"http": "127.0.0.1:22223", "http_tls_cert": "/one.crt", "http_tls_key": "/one.key"},
	"http_tls_ca":        {"http": "127.0.0.1:22223", "http_tls_cert": "/one.crt", "http_tls_key": "/one.key"},
	"http_user":          {"http": "127.0.0.1:22223", "http_user": "one", "http_password": "one"},
	"http_password":      {"http": "127.0.0.1:22223", "http_user": "one", "http_password": "one"},
	"http_password_file": {"http": "127.0.0.1:22223", "http_user": "one", "http_password": "one"},
}

// There are lines if, and only if, the configurations are not the same, wherever the keys stand.
func TestDiffIsEmptyForTheSame(t *testing.T) {
	var all []*Config
	for _, file := range append(goodFiles(t), glob(t, "testdata/diff/*.yml")...) {
		c := parseTest(t, file, string(readFile(t, file)))
		all = append(all, c, parseTest(t, file, printed(t, c)))
	}
	for _, a := range all {
		for _, b := range all {
			if lines := Diff(a, b); (len(lines) == 0) != reflect.DeepEqual(bare(a), bare(b)) {
				t.Errorf("from %s to %s: %q", a.File, b.File, lines)
			}
		}
	}
}

// A name can be that of another address from one reload to the next.
func TestDiffSeesNameThatMoved(t *testing.T) {
	var both [2]*Config
	for i, address := range []string{"127.0.0.1", "::1"} {
		c, err := parse("moved", []byte("listen proxy.example:22121\nbackend a a:6379\n"), func(host string) (netip.Addr, error) {
			if host != "proxy.example" {
				return netip.Addr{}, errors.New("no such host")
			}
			return netip.MustParseAddr(address), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		both[i] = c
	}
	got := strings.Join(Diff(both[0], both[1]), "\n")
	want := `pool "proxy.example:22121": listen: 127.0.0.1:22121 -> "[::1]:22121"` + noteClosed
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
