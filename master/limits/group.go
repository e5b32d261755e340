// Control groups, see cgroups(7): each limits what is below it.

package limits

import (
	"bytes"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
)

const mounted = "sys/fs/cgroup"

// groups returns the directories of the group that this process is in and of those above it, wherever the controller is;
// unified says that they are of version 2 of control groups, whose files have other names. In a container the path may be that of the host:
// then the group itself is not there, and the top of the mount is the container's group.
func groups(root fs.FS, controller string) iter.Seq2[string, bool] {
	return func(yield func(dir string, unified bool) bool) {
		lines, _ := fs.ReadFile(root, "proc/self/cgroup") // a kernel without control groups has no such file
		for line := range strings.Lines(string(lines)) {
			hierarchy := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // number, controllers, path
			if len(hierarchy) != 3 {
				continue
			}
			mount, unified := mounted, hierarchy[1] == "" // version 2 has no list of controllers
			switch {
			case unified:
			case slices.Contains(strings.Split(hierarchy[1], ","), controller):
				mount = path.Join(mounted, controller)
			default:
				continue
			}
			for group := path.Clean("/" + hierarchy[2]); ; group = path.Dir(group) {
				if !yield(path.Join(mount, group), unified) {
					return
				}
				if group == "/" {
					break
				}
			}
		}
	}
}

func readNumber(root fs.FS, file string) (int64, error) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}
