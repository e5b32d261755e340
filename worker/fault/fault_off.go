//go:build !fault

// What everybody runs: nothing.

package fault

import "net/netip"

// At does nothing.
func At(point string) {}

// Error returns nil.
func Error(point string) error { return nil }

// Built tells that this binary can be broken.
const Built = false

// Call returns size and nil.
func Call(name string, fd, size int) (most int, err error) { return size, nil }

// Instead returns nothing.
func Instead(addr netip.AddrPort) (path string) { return "" }

// Variables returns the names of the environment variables that processes started by this one must inherit: none.
func Variables() []string { return nil }
