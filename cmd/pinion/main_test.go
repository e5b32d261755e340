// What a build calls itself.

package main

import "testing"

func TestWithCommit(t *testing.T) {
	for _, c := range []struct{ version, commit, want string }{
		{"1.2.3", "1aed49fa1333", "1.2.3"},
		{"0.0.0-dev", "1aed49fa1333", "0.0.0-dev+1aed49fa1333"},
		{"dev", "1aed49fa1333.dirty", "dev+1aed49fa1333.dirty"},
		{"dev", "", "dev"},
	} {
		if got := withCommit(c.version, c.commit); got != c.want {
			t.Errorf("withCommit(%q, %q) = %q, want %q", c.version, c.commit, got, c.want)
		}
	}
}
