// Who else has a socket: of a program from which an earlier master has taken over, nobody is left to tell.

package takeover

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// Holders returns the pid of a program that has each of these sockets open, by inode, where there is one that this user can look into.
// Pinion itself does not count, and neither does a service manager, which keeps sockets and accepts nobody.
func Holders(inodes []uint64) map[uint64]int {
	holders := map[uint64]int{}
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if name := strings.TrimSpace(string(comm)); name == sock.ProxyName || name == "systemd" {
			continue
		}
		for _, inode := range socketsOf(pid) {
			if slices.Contains(inodes, inode) {
				holders[inode] = pid
			}
		}
	}
	return holders
}

// socketsOf returns the inodes of the sockets that a process has open, as far as this user may know.
func socketsOf(pid int) (inodes []uint64) {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	descriptors, _ := os.ReadDir(dir)
	for _, d := range descriptors {
		to, _ := os.Readlink(dir + d.Name())
		number, is := strings.CutPrefix(to, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); is && err == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes
}
