// Where a process is, and which names of zones there can be.

package config

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

func TestZoneOfProcess(t *testing.T) {
	c := &Config{Global: Global{Zone: "file"}}
	for given, want := range map[string]string{"": "file", "option": "option"} {
		if got := c.Specs(link.Spec{Zone: given}, []int{-1})[0].Zone; got != want {
			t.Errorf("with the option %q it is in %q, want %q", given, got, want)
		}
	}
	for text, good := range map[string]bool{"eu-1a": true, "": false, "two words": false, "line\n": false} {
		if err := CheckZone(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
