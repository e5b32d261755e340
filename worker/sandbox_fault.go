//go:build fault

// A binary that is built to be broken reads how in files that a test writes, see worker/fault: it is not confined.

package worker

import "github.com/pinion-proxy/pinion/worker/link"

func confine(*link.Spec) error { return nil }
