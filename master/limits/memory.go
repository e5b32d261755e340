// How much memory there is: what the machine has, or the control group that the process is in if that is less.

package limits

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
)

// Memory returns the bytes that this process and those that it starts may use together.
func Memory() (int64, error) { return memoryOf(os.DirFS("/")) }

// memoryOf is Memory on the machine with this file system.
func memoryOf(root fs.FS) (int64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	memory, err := totalMemory(text)
	if err != nil {
		return 0, err
	}
	for group, unified := range groups(root, "memory") {
		file := "memory.limit_in_bytes"
		if unified {
			file = "memory.max"
		}
		if limit, err := readNumber(root, path.Join(group, file)); err == nil { // not "max", not missing
			memory = min(memory, limit)
		}
	}
	return memory, nil
}

// totalMemory finds the line "MemTotal:       24684084 kB".
func totalMemory(meminfo []byte) (int64, error) {
	for line := range bytes.Lines(meminfo) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != "MemTotal:" {
			continue
		}
		kibibytes, err := strconv.ParseInt(string(words[1]), 10, 53) // the bytes have ten bits more, and a sign
		return kibibytes << 10, err
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemTotal")
}
