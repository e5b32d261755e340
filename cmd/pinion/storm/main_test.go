// The tests that reload, upgrade, kill and break a running program while clients count what they are told.

package storm_test

import (
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestMain(m *testing.M) { rig.RunTests(m) }
