// The abstract names at which a worker without a master waits for the next one, and a keeper for the master that serves. They
// exist only as long as the process that listens there.

package link

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	orphanPrefix = "@pinion/orphan/" // @ is how the kernel lists, and this language writes, a name outside the file system
	keeperPrefix = "@pinion/keeper/"
)

// OrphanName is the address at which a worker of a user waits for a master of a configuration file. The number is its pid,
// as far as nobody in another pid namespace has the same.
func OrphanName(uid int, configFile string, number int) string {
	return fmt.Sprintf("%s%d/%s/%d", orphanPrefix, uid, digest(configFile), number)
}

// OwnerOfOrphan returns the user and the number in the name of a worker that waits, whoever that user is.
func OwnerOfOrphan(name string) (uid, number int, ok bool) {
	rest, _ := strings.CutPrefix(name, orphanPrefix)
	text, _, _ := strings.Cut(rest, "/")
	uid, err := strconv.Atoi(text)
	if err != nil {
		return 0, 0, false
	}
	number, _, ok = ReadOrphanName(name, uid, "")
	return uid, number, ok
}

// digest makes something short of a path: a name has at most 107 bytes.
func digest(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8])
}

// KeeperName is the address at which a keeper waits for the master that serves. Such addresses belong to a network, which
// containers may share: the pid means one process only together with its namespace.
func KeeperName(uid int, pidNamespace uint64, pid int) string {
	return fmt.Sprintf("%s%d/%d/%d", keeperPrefix, uid, pidNamespace, pid)
}

// IsKeeperName tells whether a keeper listens at an address, or did.
func IsKeeperName(name string) bool { return strings.HasPrefix(name, keeperPrefix) }

// ReadOrphanName returns the number in the name of a worker of the user that waits, and whether it waits for a master of
// that configuration file. It tells if the name is none of these.
func ReadOrphanName(name string, uid int, configFile string) (number int, of, ok bool) {
	rest, ok := strings.CutPrefix(name, fmt.Sprintf("%s%d/", orphanPrefix, uid))
	sum, text, _ := strings.Cut(rest, "/")
	number, err := strconv.Atoi(text)
	return number, sum == digest(configFile), ok && err == nil
}
