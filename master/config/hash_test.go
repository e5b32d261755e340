package config

import "testing"

func hashOf(t *testing.T, text string) string {
	t.Helper()
	c, err := parse("m", []byte(text), resolveTest)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c.Hash()
}

const hashed = "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  servers:\n    - 127.0.0.1:6379:1\n"

// What says the same has the same hash, which stays what it is.
func TestHashOfTheSame(t *testing.T) {
	want := hashOf(t, hashed)
	if want != "75dcba410517" {
		t.Errorf("the hash of a configuration was 75dcba410517, and is %s", want)
	}
	for what, text := range map[string]string{
		"order, a comment":  "alpha:\n  servers:\n    - 127.0.0.1:6379:1 # one\n  redis: true\n  listen: 127.0.0.1:22121\n",
		"a default":         hashed + "  timeout: 0\n  distribution: ketama\n",
		"the short form":    "pool alpha\nlisten 127.0.0.1:22121\nhash $key\nbackend 127.0.0.1:6379 127.0.0.1:6379\n",
		"a password":        hashed + "  redis_auth: secret\n",
		"where the host is": "global:\n  zone: a\n" + hashed,
		"a default of all":  "global:\n  coalesce_us: 50\n" + hashed,
	} {
		if got := hashOf(t, text); got != want {
			t.Errorf("%s: the hash is %s, want %s", what, got, want)
		}
	}
}

// What says something else has another one.
func TestHashOfOthers(t *testing.T) {
	seen := map[string]string{hashOf(t, hashed): hashed}
	for _, text := range []string{
		hashed + "    - 127.0.0.1:6380:1\n", hashed + "  timeout: 1\n", "global:\n  workers: 2\n" + hashed, hashed + "    - 127.0.0.1:6380:2\n",
		hashed + "beta:\n  listen: 127.0.0.1:22122\n  servers:\n    - 127.0.0.1:6379:1\n",
	} {
		h := hashOf(t, text)
		if other, has := seen[h]; has {
			t.Errorf("the hash of\n%s\nis that of\n%s", text, other)
		}
		seen[h] = text
	}
}
