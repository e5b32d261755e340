// The rig of the watcher's tests: a watcher of real files, whose quiet period ends when the test says so, which is when
// the watcher has seen all that was done.

package watch

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

const watchPatience = 30 * time.Second // nothing takes nearly that long unless it is broken

// watching is a watcher of a file below dir.
type watching struct {
	t       *testing.T
	dir     string
	w       *Watcher
	marks   int
	seen    chan int   // the landmarks that the watcher has seen
	forward sync.Mutex // held while no event may reach the watcher

	mu    sync.Mutex
	asked []quiet // the quiet periods since the last look; only the last one counts
	away  []quiet // the periods that files may be away for; likewise
}

// quiet is one quiet period, which ends when something is sent.
type quiet struct {
	length time.Duration
	end    chan<- time.Time
}

// watch begins with a look that finds the file as it was.
func watch(t *testing.T, dir, path string, others ...string) *watching {
	t.Helper()
	text, _ := os.ReadFile(path)
	loaded := []File{{Path: path, Sum: sha256.Sum256(text)}}
	for _, other := range others {
		text, _ := os.ReadFile(other)
		loaded = append(loaded, File{Path: other, Sum: sha256.Sum256(text)})
	}
	w, err := newWatcher(loaded)
	if err != nil {
		t.Fatal(err)
	}
	r := &watching{t: t, dir: dir, w: w, seen: make(chan int, 4096)}
	w.after = r.after
	events := make(chan fsnotify.Event)
	w.events = events
	go r.pass(events)
	go w.run()
	t.Cleanup(r.stop)
	r.expect("at the beginning", "nothing")
	return r
}

func (r *watching) after(d time.Duration) <-chan time.Time {
	c := make(chan time.Time)
	r.mu.Lock()
	defer r.mu.Unlock()
	if d == absencePeriod {
		r.away = append(r.away, quiet{d, c})
	} else {
		r.asked = append(r.asked, quiet{d, c})
	}
	return c
}

// pending returns the quiet periods that the watcher has begun since the last look.
func (r *watching) pending() []quiet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// pass hands the events to the watcher and tells when it has taken a landmark.
func (r *watching) pass(events chan<- fsnotify.Event) {
	defer close(events)
	for e := range r.w.notify.Events {
		r.awaitForward()
		events <- e
		if mark, ok := strings.CutPrefix(filepath.Base(e.Name), "landmark"); ok {
			n, _ := strconv.Atoi(mark)
			r.seen <- n
		}
	}
}

// awaitForward returns when nobody stops the events.
func (r *watching) awaitForward() {
	r.forward.Lock()
	defer r.forward.Unlock()
}

// landmark returns when the watcher has dealt with all that happened before. It makes a file that does not concern the
// watcher, whose event comes after all others; and another one, should the first fall between two watches.
func (r *watching) landmark() {
	r.t.Helper()
	first := r.marks + 1
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for begin := time.Now(); time.Since(begin) < watchPatience; {
		r.marks++
		writeText(r.t, filepath.Join(r.dir, "landmark"+strconv.Itoa(r.marks)), "")
		for waiting := true; waiting; {
			select {
			case n := <-r.seen:
				if n >= first {
					return
				}
			case <-retry.C:
				waiting = false
			}
		}
	}
	r.t.Fatal("the watcher sees nothing any more")
}

// expect says what came of what was done last: "report", "nothing" (the watcher looked in vain) or "unconcerned".
func (r *watching) expect(done, want string) {
	r.t.Helper()
	r.landmark()
	got := "unconcerned"
	for r.look() { // a second time at another content
		got = "nothing"
	}
	select {
	case _, ok := <-r.w.changed:
		got = "report"
		if !ok {
			got = fmt.Sprintf("end: %v", r.w.err)
		}
	default:
	}
	if got != want {
		r.t.Errorf("%s: %s, want %s", done, got, want)
	}
	if got, want := r.watches(); !slices.Equal(got, want) {
		r.t.Errorf("%s: watches %q, want %q", done, got, want)
	}
}

// watches returns the directories that are watched and those that the path leads through.
func (r *watching) watches() (got, want []string) {
	got = r.w.notify.WatchList()
	for _, f := range r.w.files {
		for _, entry := range trail(f.path) {
			if info, err := os.Lstat(filepath.Dir(entry)); err == nil && info.IsDir() {
				want = append(want, filepath.Dir(entry))
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	return got, slices.Compact(want)
}

// look ends the quiet period, if there is one, and returns when the watcher has looked.
func (r *watching) look() bool {
	r.t.Helper()
	r.mu.Lock()
	asked := r.asked
	r.asked = nil
	r.mu.Unlock()
	if len(asked) == 0 {
		return false
	}
	select {
	case asked[len(asked)-1].end <- time.Time{}:
	case <-time.After(watchPatience):
		r.t.Fatal("the watcher does not wait for the end of the quiet period")
	}
	r.landmark()
	return true
}

// awayFor ends the period that files may be away for, and returns what is told then; there is none if the path is empty.
func (r *watching) awayFor(period time.Duration) (told Change) {
	r.t.Helper()
	r.mu.Lock()
	away := r.away
	r.away = nil
	r.mu.Unlock()
	if len(away) == 0 {
		return Change{}
	}
	if got := away[len(away)-1].length; got != period {
		r.t.Errorf("a file may be away for %v, want %v", got, period)
	}
	away[len(away)-1].end <- time.Time{}
	r.landmark()
	select {
	case told = <-r.w.changed:
	default:
	}
	return told
}

// stop returns when the goroutines have ended.
func (r *watching) stop() {
	r.t.Helper()
	r.w.Stop()
	for {
		select {
		case _, ok := <-r.w.changed:
			if !ok {
				return
			}
		case <-time.After(watchPatience):
			r.t.Fatal("the watch does not end")
		}
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at is a place below the directory of a test, with what is done there.
type at struct {
	t   *testing.T
	dir string
}

func (a at) path(name string) string { return filepath.Join(a.dir, name) }
func (a at) write(name, text string) { a.t.Helper(); writeText(a.t, a.path(name), text) }
func (a at) mkdir(name string)       { a.t.Helper(); noError(a.t, os.MkdirAll(a.path(name), 0o755)) }
func (a at) move(from, to string)    { a.t.Helper(); noError(a.t, os.Rename(a.path(from), a.path(to))) }
func (a at) remove(name string)      { a.t.Helper(); noError(a.t, os.RemoveAll(a.path(name))) }
func (a at) symlink(target, name string) {
	a.t.Helper()
	noError(a.t, os.Symlink(target, a.path(name)))
}

func (a at) touch(name string) {
	a.t.Helper()
	noError(a.t, os.Chtimes(a.path(name), time.Now(), time.Now()))
}

// relink puts a symbolic link in the place of another.
func (a at) relink(target, name string) {
	a.t.Helper()
	a.symlink(target, name+"_tmp")
	a.move(name+"_tmp", name)
}

// configMap does what the kubelet does to update one (AtomicWriter in its package volume/util).
func (a at) configMap(old, new, text string) {
	a.t.Helper()
	a.mkdir("etc/.." + new)
	a.write("etc/.."+new+"/pinion.yml", text)
	a.relink(".."+new, "etc/..data")
	a.remove("etc/.." + old)
}

func newPlace(t *testing.T) at {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	noError(t, err)
	a := at{t, dir}
	a.mkdir("etc")
	a.write("etc/pinion.yml", "one")
	return a
}
