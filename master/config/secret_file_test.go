package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(credentialsVariable, dir)
	for name, content := range map[string]string{"plain": "secret", "line": "secret\n", "dos": "secret\r\n", "empty": "\n", "two": "a\nb\n", "long": "secretsecret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, flaw string }{
		{"plain", ""},
		{"line", ""},
		{"dos", ""},
		{filepath.Join(dir, "plain"), ""},
		{"empty", "is an empty file"},
		{"two", "has more than one line"},
		{"long", "has more than 8 bytes"},
		{"fifo", "is no file"},
		{"none", "no such file or directory"},
		{"a/b", "is no absolute path"},
	} {
		secret, _, f := readSecret(test.name, 8)
		switch {
		case test.flaw == "" && (f != nil || secret != "secret"):
			t.Errorf("%s: %q, %v", test.name, secret, f)
		case test.flaw != "" && (f == nil || !strings.Contains(f.message, test.flaw)):
			t.Errorf("%s: flaw %v, want %q", test.name, f, test.flaw)
		case f != nil && strings.Contains(f.message+f.hint, "secret") && !strings.Contains(test.name, "secret"):
			t.Errorf("%s: the flaw tells the secret: %v", test.name, f)
		}
	}
}

func TestServerPasswordFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(path, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  server_password_file: " + path + "\n  servers: [ 127.0.0.1:6379:1 ]\n"
	c := parseTest(t, "p.yml", text)
	if got := c.Pools[0].ServerLogin().Password; got != "hush" {
		t.Errorf("servers get %q", got)
	}
	var printed strings.Builder
	if err := c.Print(&printed); err != nil || strings.Contains(printed.String(), "hush") || !strings.Contains(printed.String(), path) {
		t.Errorf("printed, %v:\n%s", err, printed.String())
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes := Diff(c, parseTest(t, "p.yml", text))
	if want := `pool "alpha": server_password_file: the password in it changed`; len(changes) != 1 || changes[0] != want {
		t.Errorf("changes are %q, want %q", changes, want)
	}
}
