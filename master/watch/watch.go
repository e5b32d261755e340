// When a file has another content: notifications of everything that its path consists of, and a look at what there is then.

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
	// quietPeriod is how long nothing may happen to the files before they are read: whoever writes them may not be done.
	quietPeriod = 500 * time.Millisecond

	// settlePeriod is how long a file with another content must have stayed as it is. Half of a configuration can be a valid
	// one, and whoever writes a file in place may pause.
	settlePeriod = 2 * time.Second

	// absencePeriod is how long a file must be away before that is told: who replaces it may remove it first.
	absencePeriod = 10 * time.Second

	maxSymlinks = 40 // as in path_resolution(7)
)

// Watcher looks at files through everything that their paths consist of. Editors put another file in its place, and a
// ConfigMap of Kubernetes is a symbolic link to a symbolic link to a directory, of which the middle one is replaced. So
// every directory on the way is watched, for the one name in it that matters. What happens there is only a hint: it is
// the content that counts. Of files that change at about the same time, as a certificate and its key do, one change is told.
//
// One goroutine owns all fields, except changed, and err once changed is closed.
type Watcher struct {
	files  []*watched
	notify *fsnotify.Watcher
	events <-chan fsnotify.Event
	after  func(time.Duration) <-chan time.Time
	now    func() time.Time
	trail  func(path string) []string

	timer   <-chan time.Time // when to look; nil = nothing has happened
	overdue <-chan time.Time // when to tell of files that are away; nil = none is, or all are told of

	overflow chan struct{} // a hint, too: hints were lost
	changed  chan Change   // has room for one report, so that a slow reader learns of the last change
	err      error         // why the watch ended by itself
}

// Change is what has happened to a file.
type Change struct {
	Path string
	Away error // why it cannot be read any more; nil: it has another content
}

// File is one that was loaded.
type File struct {
	Path string
	Sum  [sha256.Size]byte // of its content then
}

// watched is a file that is looked at.
type watched struct {
	given   string            // the path as it is called
	path    string            // the same from / on
	entries []string          // whose change may be one of the file, see trail
	known   [sha256.Size]byte // of the content that was loaded or reported last
	seen    snapshot          // at the last look, if that was another content
	away    error             // why it could not be read at the last look
	told    bool              // that it is away
}

// Files returns a watcher that reports each time that one of the files has another readable content than before, beginning with
// those that were loaded. A file that is away, or that is no regular one, changes when it is back; that it is away is reported
// once, after a while.
func Files(loaded []File) (*Watcher, error) {
	w, err := newWatcher(loaded)
	if err != nil {
		return nil, fmt.Errorf("watching %q: %w", loaded[0].Path, err)
	}
	go w.run()
	return w, nil
}

func newWatcher(loaded []File) (*Watcher, error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &Watcher{notify: notify, events: notify.Events, after: time.After, now: time.Now, trail: trail,
		overflow: make(chan struct{}, 1), changed: make(chan Change, 1)}
	for _, f := range loaded {
		path := f.Path
		if !filepath.IsAbs(path) {
			path = wd + "/" + path // not Join, which takes ".." for the directory of a symbolic link
		}
		w.files = append(w.files, &watched{given: f.Path, path: path, known: f.Sum})
	}
	go w.drainErrors() // see there; even the first arm needs it
	if _, err := w.arm(); err != nil {
		notify.Close()
		return nil, err
	}
	return w, nil
}

// Changed has a file that has another content, or is away, and is closed when the watch has ended. Others may have changed, too.
func (w *Watcher) Changed() <-chan Change { return w.changed }

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
		case <-w.overdue:
			w.overdue = nil
			w.reportAway()
		}
	}
}

// concerns reports whether a change of that path can change a file.
func (w *Watcher) concerns(name string) bool {
	name = filepath.Clean(name) // entries of the root come with two slashes
	return slices.ContainsFunc(w.files, func(f *watched) bool { return slices.Contains(f.entries, name) })
}

// look reads the files, and reports if one is another one and all have stayed as they are since the last look, long enough.
func (w *Watcher) look() error {
	settled, err := w.arm()
	if err != nil {
		return err
	}
	if !settled {
		w.timer = w.after(quietPeriod)
		return nil
	}
	var wait time.Duration
	for _, f := range w.files {
		there := f.away == nil
		wait = max(wait, f.look(w.now()))
		if there && f.away != nil {
			w.overdue = w.after(absencePeriod)
		}
	}
	if wait > 0 {
		w.timer = w.after(wait)
		return nil
	}
	w.report()
	return nil
}

// look reads the file. It returns how long that must stay as it is; 0: it has, or it is not another one.
func (f *watched) look(now time.Time) time.Duration {
	found, err := readSnapshot(f.path)
	f.away, f.told = cause(err), f.told && err != nil
	if err != nil || found.sum == f.known {
		f.seen = snapshot{}
		return 0
	}
	if found == f.seen {
		return 0
	}
	f.seen = found
	return found.settlesWithin(now)
}

// report tells of a file that is another one, if there is one.
func (w *Watcher) report() {
	given := ""
	for _, f := range w.files {
		if f.seen != (snapshot{}) {
			given, f.known, f.seen = f.given, f.seen.sum, snapshot{}
		}
	}
	if given == "" {
		return
	}
	select {
	case w.changed <- Change{Path: given}:
	default: // an earlier report has not been received yet
	}
}

// reportAway tells of a file that is away, unless that was told. One is told of at a time, as there may be many.
func (w *Watcher) reportAway() {
	for _, f := range w.files {
		if f.away == nil || f.told {
			continue
		}
		select {
		case w.changed <- Change{f.given, f.away}:
			f.told = true
		default: // an earlier report has not been received yet
		}
		w.overdue = w.after(absencePeriod)
		return
	}
}

// arm watches the directories that the paths lead through now. All watches are made anew, since a directory that was
// moved away keeps its watch, and another one may have its name. It is not settled if a path changed meanwhile: what
// happened before the new watches stood would not be noticed.
func (w *Watcher) arm() (settled bool, err error) {
	for _, dir := range w.notify.WatchList() {
		w.notify.Remove(dir) // fails for directories that are gone
	}
	settled = true
	for _, f := range w.files {
		f.entries = w.trail(f.path)
		if err := w.add(f); err != nil {
			return false, fmt.Errorf("watching %q: %w", f.path, err)
		}
		settled = settled && slices.Equal(f.entries, w.trail(f.path))
	}
	return settled, nil
}

// add watches the directories of a file. Those above its own may be forbidden to list; seldom is one of them replaced.
func (w *Watcher) add(f *watched) error {
	for i, entry := range f.entries {
		err := w.notify.Add(filepath.Dir(entry))
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if err != nil && !gone && i == len(f.entries)-1 {
			return err
		}
	}
	return nil
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

// cause is the error without the path.
func cause(err error) error {
	if of, is := errors.AsType[*fs.PathError](err); is {
		return of.Err
	}
	return err
}

var errNotRegular = errors.New("it is not a regular file")

// readSnapshot fails if there is nothing to read, or something that reading would empty or wait for.
func readSnapshot(path string) (s snapshot, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	if !info.Mode().IsRegular() {
		return s, errNotRegular
	}
	text, err := os.ReadFile(path)
	s = snapshot{sum: sha256.Sum256(text), written: info.ModTime().UnixNano()}
	if stat, is := info.Sys().(*syscall.Stat_t); is {
		s.inode = stat.Ino
	}
	return s, err
}
