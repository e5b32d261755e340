// The form of problems, and the suggestions in them against a slow twin of the edit distance.

package config

import "testing"

func TestProblemString(t *testing.T) {
	for _, test := range []struct {
		problem Problem
		want    string
	}{
		{Problem{File: "a.yml", Message: "has no pools"}, "a.yml: has no pools"},
		{Problem{File: "a.yml", Line: 3, Column: 5, Message: "m", Hint: "h"}, "a.yml:3:5: m; h"},
		{Problem{File: "a.yml", Line: 3, Column: 5, Pool: "alpha", Message: "m", Hint: "h", Warning: true},
			`a.yml:3:5: warning: pool "alpha": m; h`},
	} {
		if got := test.problem.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"timeout", "hash", "hash_tag", "servers", "fnv1_64", "fnv1a_64"}
	for _, test := range []struct{ word, want string }{
		{"tiemout", `did you mean "timeout"?`},
		{"time_out", `did you mean "timeout"?`},
		{"hashtag", `did you mean "hash_tag"?`},
		{"fnv1a64", `did you mean "fnv1a_64"?`},
		{"FNV1-64", `did you mean "fnv1_64"?`},
		{"hsh", `did you mean "hash"?`},
		{"Hash", `did you mean "hash"?`},
		{"sevrer", `did you mean "servers"?`},
		{"tag", `did you mean "hash_tag"?`},
		{"ser", `did you mean "servers"?`},
		{"x", "known are timeout, hash, hash_tag, servers, fnv1_64, fnv1a_64"},
		{"", "known are timeout, hash, hash_tag, servers, fnv1_64, fnv1a_64"},
	} {
		if got := suggest(test.word, known); got != test.want {
			t.Errorf("suggest(%q) = %s, want %s", test.word, got, test.want)
		}
	}
}

// naiveDistance is the definition of the distance, without the rows.
func naiveDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	d := min(naiveDistance(a[1:], b)+1, naiveDistance(a, b[1:])+1)
	if a[0] == b[0] {
		return min(d, naiveDistance(a[1:], b[1:]))
	}
	d = min(d, naiveDistance(a[1:], b[1:])+1)
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, naiveDistance(a[2:], b[2:])+1)
	}
	return d
}

// All pairs of words of up to five letters out of two, and some out of more.
func TestEditDistance(t *testing.T) {
	words := []string{""}
	for i := 0; len(words[i]) < 5; i++ {
		words = append(words, words[i]+"a", words[i]+"b")
	}
	words = append(words, "abcd", "badc", "acbd", "hash")
	for _, a := range words {
		for _, b := range words {
			if got, want := editDistance(a, b), naiveDistance(a, b); got != want {
				t.Fatalf("editDistance(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}
