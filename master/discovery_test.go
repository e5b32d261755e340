package master

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// A generation of an earlier master has no topology: nobody asks for what only its last clients need.
func TestNobodyIsFollowedForEarlierMaster(t *testing.T) {
	m := &master{}
	m.generations.retired = []*generation{{pools: []link.Pool{{Name: "alpha", Seeds: []string{"10.0.0.1:7000"}, Servers: link.Places()}}}}
	m.follow()
	if len(m.followers) != 0 {
		t.Errorf("%d are followed", len(m.followers))
	}
}
