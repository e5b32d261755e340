package totals

import (
	"maps"
	"testing"
)

// Another version may have other buckets; what it cannot have meant is left out.
func TestForeignLatencies(t *testing.T) {
	counts := Latencies{"100": 1, "150": 2, "1": 4, "0": 8, "-5": 16, "x": 32, "99999999999999999": 64}.counts()
	if got, want := LatenciesOf(&counts), (Latencies{"104": 1, "160": 2, "1": 4}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
