// When the file has another content: notifications of everything that its path consists of, and a look at what there is then.

package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quietPeriod is how long nothing may happen to a file before it is read: whoever writes it may not be done.
	quietPeriod = 500 * time.Millisecond

	// settlePeriod is how long a file with another content must have stayed as it is. Half of a configuration can be a valid
	// one, and whoever writes a file in place may pause.
	settlePeriod = 2 * time.Second

	maxSymlinks = 40 // as in path_resolution(7)
)

// Watcher looks at one file through everything that its path consists of. Editors put another file in its place, and a
// ConfigMap of Kubernetes is a symbolic link to a symbolic link to a directory, of which the middle one is replaced. So
// every directory on the way is watched, for the one name in it that matters. What happens there is only a hint: it is
// the content that counts.
//
// One goroutine owns all fields, except changed, and err once changed is closed.
type Watcher struct {
	path   string
	notify *fsnotify.Watcher
	events <-chan fsnotify.Event
	after  func(time.Duration) <-chan time.Time
	now    func() time.Time
	trail  func(path string) []string

	entries []string          // whose change may be one of the file, see trail
	known   [sha256.Size]byte // of the content that was loaded or reported last
	seen    snapshot          // at the last look, if that was another content
	timer   <-chan time.Time  // when to look; nil = nothing has happened

	overflow chan struct{} // a hint, too: hints were lost
	changed  chan struct{} // has room for one report, so that a slow reader learns of the last change
	err      error         // why the watch ended by itself
}

// File returns a watcher that reports each time that the file at path has another readable content than before, beginning
// with the one of which loaded is the SHA-256. A file that is away, or that is no regular one, changes when it is back.
func File(path string, loaded [sha256.Size]byte) (*Watcher, error) {
	w, err := newWatcher(path, loaded)
	if err != nil {
		return nil, fmt.Errorf("watching %q: %w", path, err)
	}
	go w.run()
	return w, nil
}

func newWatcher(path string, loaded [sha256.Size]byte) (*Watcher, error) {
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		path = wd + "/" + path // not Join, which takes ".." for the directory of a symbolic link
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &Watcher{path: path, notify: notify, events: notify.Events, after: time.After, now: time.Now, trail: trail, known: loaded,
		overflow: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	go w.drainErrors() // see there; even the first arm needs it
	if _, err := w.arm(); err != nil {
		notify.Close()
		return nil, err
	}
	return w, nil
}

// Changed has an element when the file has another content, and is closed when the watch has ended.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Err returns why the watch has ended by itself, once Changed is closed; nil: it was stopped.
func (w *Watcher) Err() error { return w.err }

// Stop ends the watch. What was not received yet can still be, then Changed is closed.
func (w *Watcher) Stop() { w.notify.Close() }

// drainErrors is a goroutine of its own because fsnotify sends some errors while it holds the lock that its methods
// need: who calls them must not be who receives.
func (w *Watcher) drainErrors() {
	for range w.notify.Errors {
		select {
		case w.overflow <- struct{}{}:
		default:
		}
	}
}

// run ends with the events, that is by stop or by an error of its own.
func (w *Watcher) run() {
	defer close(w.changed)
	w.timer = w.after(quietPeriod) // the content may be another one since it was loaded
	for {
		select {
		case e, ok := <-w.events:
			if !ok {
				return
			}
			if w.concerns(e.Name) {
				w.timer = w.after(quietPeriod)
			}
		case <-w.overflow:
			w.timer = w.after(quietPeriod)
		case <-w.timer:
			w.timer = nil
			if w.err = w.look(); w.err != nil {
				w.notify.Close()
				return
			}
		}
	}
}

// concerns reports whether a change of that path can change the file.
func (w *Watcher) concerns(name string) bool {
	return slices.Contains(w.entries, filepath.Clean(name)) // entries of the root come with two slashes
}

// look reads the file, and reports if it is another one and has stayed so since the last look, long enough.
func (w *Watcher) look() error {
	settled, err := w.arm()
	if err != nil {
		return fmt.Errorf("watching %q: %w", w.path, err)
	}
	if !settled {
		w.timer = w.after(quietPeriod)
		return nil
	}
	found, ok := readSnapshot(w.path)
	if !ok || found.sum == w.known {
		w.seen = snapshot{}
		return nil
	}
	if found != w.seen {
		w.seen = found
		w.timer = w.after(found.settlesWithin(w.now()))
		return nil
	}
	w.known = found.sum
	select {
	case w.changed <- struct{}{}:
	default: // an earlier report has not been received yet
	}
	return nil
}

// arm watches the directories that the path leads through now. All watches are made anew, since a directory that was
// moved away keeps its watch, and another one may have its name. It is not settled if the path changed meanwhile: what
// happened before the new watches stood would not be noticed.
func (w *Watcher) arm() (settled bool, err error) {
	for _, dir := range w.notify.WatchList() {
		w.notify.Remove(dir) // fails for directories that are gone
	}
	w.entries = w.trail(w.path)
	for i, entry := range w.entries {
		err := w.notify.Add(filepath.Dir(entry))
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if err != nil && !gone && i == len(w.entries)-1 {
			return false, err
		} // directories above it may be forbidden to list; seldom is one of those replaced
	}
	return slices.Equal(w.entries, w.trail(w.path)), nil
}

// trail returns what the system looks up to open a path: the path of each name on the way, with no symbolic link before
// its last element. It does not end where something is missing, so that one sees it come.
func trail(path string) []string {
	var entries []string
	dir, links := "/", 0
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		entry := filepath.Join(dir, name)
		entries = append(entries, entry)
		target, err := os.Readlink(entry)
		if err != nil {
			dir = entry
			continue
		}
		if links++; links > maxSymlinks {
			break
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		path = target + "/" + path
	}
	return entries
}

// snapshot is a file at one moment. Any write makes another one of it.
type snapshot struct {
	sum     [sha256.Size]byte // of the content
	inode   uint64
	written int64 // ns since the epoch
}

// settlesWithin returns how long the file must still stay as it is. The clock by which it was written may be ahead of this
// one, and a copy may have the time of its original.
func (s snapshot) settlesWithin(now time.Time) time.Duration {
	left := settlePeriod - now.Sub(time.Unix(0, s.written))
	return min(max(left, quietPeriod), settlePeriod)
}

// readSnapshot is not ok if there is nothing to read, or something that reading would empty or wait for.
func readSnapshot(path string) (s snapshot, ok bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return s, false
	}
	text, err := os.ReadFile(path)
	s = snapshot{sum: sha256.Sum256(text), written: info.ModTime().UnixNano()}
	if stat, is := info.Sys().(*syscall.Stat_t); is {
		s.inode = stat.Ino
	}
	return s, err == nil
}
