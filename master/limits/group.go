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

// usualMount is where control groups are mounted if /proc does not tell.
const usualMount = "sys/fs/cgroup"

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
			unified := hierarchy[1] == "" // version 2 has no list of controllers
			if !unified && !slices.Contains(strings.Split(hierarchy[1], ","), controller) {
				continue
			}
			mount := mountOf(root, controller, unified)
			for group := mount.below(path.Clean("/" + hierarchy[2])); ; group = path.Dir(group) {
				if !yield(path.Join(mount.point, group), unified) {
					return
				}
				if group == "/" {
					break
				}
			}
		}
	}
}

// mount is a place where the groups of a hierarchy are.
type mount struct {
	point string // without the first slash
	top   string // the group that is there; "/" but in containers that share the groups of their host
}

// mountOf returns where the groups of a controller are, or, unified, all of version 2.
func mountOf(root fs.FS, controller string, unified bool) mount {
	lines, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for line := range strings.Lines(string(lines)) {
		place, kind, found := strings.Cut(line, " - ")
		at, of := strings.Fields(place), strings.Fields(kind) // id, parent, device, root, mount point, …; type, source, options
		if !found || len(at) < 5 || len(of) < 3 {
			continue
		}
		if unified && of[0] == "cgroup2" || !unified && of[0] == "cgroup" && slices.Contains(strings.Split(of[2], ","), controller) {
			return mount{strings.TrimPrefix(unescape(at[4]), "/"), path.Clean("/" + unescape(at[3]))}
		}
	}
	if unified {
		return mount{usualMount, "/"}
	}
	return mount{path.Join(usualMount, controller), "/"}
}

// below returns the path of a group from the mount on.
func (m mount) below(group string) string {
	if m.top == "/" {
		return group
	}
	if rest, found := strings.CutPrefix(group+"/", m.top+"/"); found {
		return path.Clean("/" + rest)
	}
	return group
}

// unescape reads a path as the kernel writes it: spaces and the like are \040 there.
func unescape(text string) string {
	if plain, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`); err == nil {
		return plain
	}
	return text
}

func readNumber(root fs.FS, file string) (int64, error) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}
