package live

import (
	"testing"

	"github.com/pinion-proxy/pinion/shard"
)

// ejected is the liveness of a server that is ejected.
func ejected(t *testing.T) shard.Liveness {
	t.Helper()
	word, ok := shard.Liveness(0).Eject(0, 1000)
	if !ok {
		t.Fatal("it is not ejected")
	}
	return word
}
