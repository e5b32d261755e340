package config

import (
	"slices"
	"strings"
	"testing"
)

// Whatever is shown, passwords are not; what the file sets is told from what it does not.
func TestShow(t *testing.T) {
	c, err := Parse("test", []byte("global:\n  workers: 2\nalpha:\n  listen: 127.0.0.1:1\n  redis: true\n  redis_auth: topsecret\n  servers:\n    - 127.0.0.1:2:1\n"))
	if err != nil {
		t.Fatal(err)
	}
	shown := c.Show()
	if len(shown) != 2 || shown[0].Name != "global" || shown[1].Name != "alpha" {
		t.Fatalf("got %+v", shown)
	}
	of := func(section int, key string) Setting {
		i := slices.IndexFunc(shown[section].Keys, func(s Setting) bool { return s.Name == key })
		if i < 0 {
			t.Fatalf("lacks %s", key)
		}
		return shown[section].Keys[i]
	}
	if s := of(0, "workers"); !s.Given || s.Values[0] != "2" {
		t.Errorf("got %+v", s)
	}
	if s := of(1, "distribution"); s.Given || s.Values[0] != "ketama" {
		t.Errorf("got %+v", s)
	}
	if s := of(1, "redis_auth"); !s.Given || s.Values[0] != Hidden {
		t.Errorf("got %+v", s)
	}
	if s := of(1, "servers"); !s.Given || !strings.Contains(s.Values[0], "127.0.0.1:2:1") {
		t.Errorf("got %+v", s)
	}
	for _, file := range goodFiles(t) { // every password of every example
		c, err := parse(file, readFile(t, file), resolveTest)
		if err != nil {
			t.Fatal(err)
		}
		for i, section := range c.Show() {
			for _, k := range section.Keys {
				if i == 0 {
					continue
				}
				for _, secret := range []string{c.Pools[i-1].Password, c.Pools[i-1].SentinelPassword} {
					if secret != "" && slices.ContainsFunc(k.Values, func(v string) bool { return strings.Contains(v, secret) }) {
						t.Errorf("%s: %s shows a password", file, k.Name)
					}
				}
			}
		}
	}
}
