// Where a worker without a master waits for the next one, and where a keeper waits for the master that serves: names that
// exist only as long as the process that listens there.

package link

import (
	"fmt"
	"strings"
)

const (
	orphanPrefix = "@pinion/orphan/" // @ is how the kernel lists, and this language writes, a name outside the file system
	keeperPrefix = "@pinion/keeper/"
)

// OrphanName is the address at which a worker of a user waits for a master. The number is its pid, as far as nobody in
// another pid namespace has the same.
func OrphanName(uid, number int) string { return fmt.Sprintf("%s%d/%d", orphanPrefix, uid, number) }

// KeeperName is the address at which a keeper waits for the master that serves.
func KeeperName(uid, pid int) string { return fmt.Sprintf("%s%d/%d", keeperPrefix, uid, pid) }

// IsOrphanName tells whether a worker of the user waits at the address.
func IsOrphanName(name string, uid int) bool {
	return strings.HasPrefix(name, fmt.Sprintf("%s%d/", orphanPrefix, uid))
}
