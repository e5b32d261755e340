// How many descriptors there may be.

package limits

import "github.com/pinion-proxy/pinion/worker/sock"

// Descriptors returns how many descriptors this process may have, and so may its workers; 0: that is unknown.
func Descriptors() int {
	n, err := sock.MaxDescriptors()
	if err != nil {
		return 0
	}
	return n
}
