// The tests that run the program as an operator and its clients do: commands, replies, limits, abuse. What hands over and is
// upgraded is in ../storm.

package e2e_test

import (
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestMain(m *testing.M) { rig.RunTests(m) }
