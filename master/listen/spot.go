// Where a unix socket is in the file system.

package listen

import (
	"os"
	"syscall"
)

// Spot tells what is at a path from whatever was there before or comes later. The zero spot is none.
type Spot struct{ Device, Inode uint64 }

// Locate returns what is at a path now.
func Locate(path string) (Spot, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Spot{}, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return Spot{stat.Dev, stat.Ino}, nil
}

// UnlinkAt returns a function that removes what is at path, if it is still what was found there.
func UnlinkAt(path string, found Spot) func() {
	return func() {
		if now, err := Locate(path); err == nil && now == found {
			os.Remove(path)
		}
	}
}

// Unlinker returns a function that removes the socket which is at path now, and no later one at the same path.
func Unlinker(path string) func() {
	own, _ := Locate(path)
	return UnlinkAt(path, own)
}
