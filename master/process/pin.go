// Pinning a worker to its CPU: a process inherits the CPUs of the thread that starts it.

package process

import "github.com/pinion-proxy/pinion/worker/sock"

// pin moves the calling thread to one CPU and returns the way back, to the set that was allowed a moment ago.
func pin(cpu int) (unpin func(), err error) {
	before, err := sock.Affinity()
	if err != nil {
		return func() {}, err
	}
	if err := sock.SetAffinity([]int{cpu}); err != nil {
		return func() {}, err
	}
	return func() { sock.SetAffinity(before) }, nil
}
