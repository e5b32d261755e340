//go:build !fault

// What everybody runs: nothing.

package fault

// At does nothing.
func At(point string) {}

// Error returns nil.
func Error(point string) error { return nil }

// Variables returns the names of the environment variables that processes started by this one must inherit: none.
func Variables() []string { return nil }
