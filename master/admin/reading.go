// The admin socket for reading: members of a group may ask how Pinion is there, and command nothing.

package admin

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const readingPerm = 0o660

// ReadingPath returns where the socket for reading is: beside the admin socket at that path.
func ReadingPath(path string) string {
	extension := filepath.Ext(path)
	return strings.TrimSuffix(path, extension) + "-status" + extension
}

// ListenForReading opens the socket for reading, for members of a group, and then puts it in the place of one that is there: who
// connects meanwhile gets one or the other.
func ListenForReading(path string, gid int) (fd int, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return -1, fmt.Errorf("listening on %q (for reading): it exists and is not a socket; remove it", path)
	}
	if len(path)+len(comingSuffix) > maxSocketPath {
		return -1, fmt.Errorf("listening on %q (for reading): the path is too long for a socket; choose a shorter one with --control", path)
	}
	fd, err = sock.ListenUnix(path+comingSuffix, readingPerm, socketBacklog)
	if err == nil {
		err = os.Chown(path+comingSuffix, -1, gid)
	}
	if err == nil {
		err = os.Rename(path+comingSuffix, path)
	}
	if err != nil {
		if fd >= 0 {
			sock.Close(fd)
			os.Remove(path + comingSuffix)
		}
		return -1, fmt.Errorf("listening on %q (for reading): %w", path, err)
	}
	return fd, nil
}

const comingSuffix = ".new"

// readable is what the socket for reading answers. What is not in it commands, shows what clients send, or costs them something.
var readable = []string{
	"/status", "/clients", "/slowlog.json", "/hotkeys.json", "/bigkeys.json", "/metrics", "/healthz", "/readyz",
}

// forbids returns why a request is refused on this socket; empty: it is not.
func (a *Server) forbids(r *http.Request) string {
	if a.commands != "" && (r.Method != http.MethodGet || !slices.Contains(readable, r.URL.Path)) {
		return fmt.Sprintf("this socket is for reading, and %s is no such thing: it is for %s, which user %d and root may use",
			r.Method+" "+r.URL.Path, a.commands, os.Geteuid())
	}
	of, _ := r.Context().Value(callerKey{}).(caller)
	if a.commands == "" && of.stranger() {
		return fmt.Sprintf("user %d may not use this socket, only user %d and root; with control_group there is one for reading beside it", of.uid, os.Geteuid())
	}
	return ""
}
