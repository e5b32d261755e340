package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func poolWithACLFile(path, more string) string {
	return "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  acl_file: " + path + "\n  servers: [ 127.0.0.1:6379:1 ]\n" + more
}

func TestACLFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# of the shop\n\nuser default off\r\nuser shop on >secret sanitize-payload ~shop:* resetchannels -@all +@read\n")
	c := parseTest(t, "p.yml", poolWithACLFile(path, ""))
	want := []string{
		"default off resetchannels -@all",
		"shop on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~shop:* resetchannels -@all +@read",
	}
	if got := c.Pools[0].Users; !slices.Equal(got, want) {
		t.Errorf("users are %q, want %q", got, want)
	}
	if len(c.Files) != 1 || c.Files[0].Path != path {
		t.Errorf("the files that are watched are %v", c.Files)
	}
	var printed strings.Builder
	if err := c.Print(&printed); err != nil || strings.Contains(printed.String(), "shop:") || !strings.Contains(printed.String(), "acl_file: "+path) {
		t.Errorf("printed, %v:\n%s", err, printed.String())
	}
	write("user shop on >other ~shop:* +@read\nuser new on nopass\n")
	now := parseTest(t, "p.yml", poolWithACLFile(path, ""))
	wantDiff := []string{`pool "alpha": user "shop": changed; the clients of that user go on under the new rules, and are closed where they wait for, or listen to, what those forbid`, `pool "alpha": user "new": added`}
	if got := Diff(c, now); !slices.Equal(got, wantDiff) {
		t.Errorf("the difference is %q, want %q", got, wantDiff)
	}
	write("user shop off ~shop:* +@read\n")
	off := parseTest(t, "p.yml", poolWithACLFile(path, ""))
	wantDiff = []string{`pool "alpha": user "new": removed; the clients of that user are closed`, `pool "alpha": user "shop": switched off; the clients of that user are closed`}
	if got := Diff(now, off); !slices.Equal(got, wantDiff) {
		t.Errorf("the difference is %q, want %q", got, wantDiff)
	}
	if got := off.Warnings(Machine{Workers: 1}).Error(); !strings.Contains(got, "all users are off, so nobody can log in") {
		t.Errorf("it warns of %q", got)
	}
	write("user a on >x +get\nusers b on\nuser a on\nuser c on (~k) >secret\nuser\n")
	_, err := Parse("p.yml", []byte(poolWithACLFile(path, "")))
	for _, want := range []string{
		`acl_file line 2 does not begin with user`, `acl_file line 3: user "a" is there twice`, `acl_file line 4: user "c": rule "(~k)" is a selector`, `acl_file line 5: user has no name`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error has a password: %v", err)
	}
}

// Who only looks at what the configuration says needs not be able to read what it names, and finds nobody who is let in.
func TestLoadAloneReadsNoOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pinion.yml")
	text := poolWithACLFile("/nonexistent/users.acl", "  server_password_file: /nonexistent/password\n") + "global:\n  http: 127.0.0.1:9100\n  http_user: me\n  http_password_file: nonexistent\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadAlone(path)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := c.PrintHidden(&printed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"acl_file: /nonexistent/users.acl\n", "server_password_file: /nonexistent/password\n", "http_password_file: nonexistent\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("printed is\n%s", printed.String())
		}
	}
	if got := c.Pools[0].Users; len(got) != 1 || got[0] != "default off" {
		t.Errorf("the users are %q", got)
	}
	if _, err := Load(path); err == nil {
		t.Error("it is loaded without them")
	}
}

// What users may do is a part of the hash, and their passwords are not.
func TestHashOfUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	seen := map[string]string{}
	for _, text := range []string{"user a on >one ~a:* +get", "user a on >one ~b:* +get", "user a off >one ~a:* +get", "user a on nopass ~a:* +get", "user a on >one ~a:* +get\nuser b on >one"} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h := hashOf(t, poolWithACLFile(path, ""))
		if other, has := seen[h]; has {
			t.Errorf("%q has the hash of %q", text, other)
		}
		seen[h] = text
	}
	if err := os.WriteFile(path, []byte("user a on >two >three ~a:* +get\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if seen[hashOf(t, poolWithACLFile(path, ""))] != "user a on >one ~a:* +get" {
		t.Error("the hash tells of passwords")
	}
}

func TestACLFileMistakes(t *testing.T) {
	for _, test := range []struct{ path, more, want string }{
		{"/nonexistent/users.acl", "", `cannot be read: no such file or directory`},
		{"/dev/null", "", "cannot be read: is no file"},
		{"some/users.acl", "", "is no absolute path"},
		{"users.acl", "", "/users.acl: no such file or directory; a name without a slash is a credential of systemd"},
	} {
		_, err := Parse("p.yml", []byte(poolWithACLFile(test.path, test.more)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.path, err, test.want)
		}
	}
}

// What has gone into a specification can be read there, whatever it was.
func TestUsersOfSpec(t *testing.T) {
	c := parseTest(t, "p.yml", string(readFile(t, "testdata/good/users.yml")))
	for i := range c.Pools {
		if l := c.Pools[i].aclUsers(); l == nil || len(l.Users()) != 3 {
			t.Errorf("pool %q has the users %q", c.Pools[i].Name, c.Pools[i].Users)
		}
		for _, line := range c.Pools[i].Users {
			if strings.Contains(line, "secret") || strings.Contains(line, "clients") {
				t.Errorf("a password is in %q", line)
			}
		}
	}
}

// A user without a password is nobody, unless a certificate may name him.
func TestUsersOfCertificates(t *testing.T) {
	for user, warned := range map[string]bool{"cn": false, "off": true} {
		c := parseTest(t, "p.yml", "alpha:\n  listen: 127.0.0.1:22121 tls\n  redis: true\n  tls_cert: /c.crt\n  tls_key: /c.key\n  tls_ca: /ca.crt\n  tls_auth_clients: yes\n"+
			"  tls_auth_clients_user: "+user+"\n  users: [ alice on ~* +@all ]\n  servers: [ 127.0.0.1:6379:1 ]\n")
		if got := strings.Contains(c.Warnings(Machine{Workers: 1}).Error(), `user "alice" is on and has no password`); got != warned {
			t.Errorf("%s: it warns: %v", user, got)
		}
	}
}
