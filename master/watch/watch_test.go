// Every way to write a configuration file that editors, deployments and Kubernetes have, on real files.

package watch

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

type watchStep struct {
	done string
	do   func(at)
	want string
}

// The file is etc/pinion.yml with "one" in it, unless a case prepares something else.
var watchCases = []struct {
	name    string
	prepare func(at)
	steps   []watchStep
}{
	{"written in place", nil, []watchStep{
		{"other content", func(a at) { a.write("etc/pinion.yml", "two") }, "report"},
		{"and again", func(a at) { a.write("etc/pinion.yml", "three") }, "report"},
		{"the first content", func(a at) { a.write("etc/pinion.yml", "one") }, "report"},
		{"emptied", func(a at) { a.write("etc/pinion.yml", "") }, "report"},
		{"written twice, the same in the end", func(a at) {
			a.write("etc/pinion.yml", "x")
			a.write("etc/pinion.yml", "")
		}, "nothing"},
	}},
	{"nothing new", nil, []watchStep{
		{"touched", func(a at) { a.touch("etc/pinion.yml") }, "nothing"},
		{"permissions", func(a at) { noError(a.t, os.Chmod(a.path("etc/pinion.yml"), 0o600)) }, "nothing"},
		{"same content", func(a at) { a.write("etc/pinion.yml", "one") }, "nothing"},
		{"same content in another file", func(a at) { a.write("new", "one"); a.move("new", "etc/pinion.yml") }, "nothing"},
		{"neighbours", func(a at) {
			a.write("etc/other.yml", "x")
			a.write("etc/.pinion.yml.swp", "x")
			a.mkdir("lib")
		}, "unconcerned"},
		{"read", func(a at) { _, err := os.ReadFile(a.path("etc/pinion.yml")); noError(a.t, err) }, "unconcerned"},
	}},
	{"replaced by another file", nil, []watchStep{
		{"first", func(a at) { a.write("etc/.new", "two"); a.move("etc/.new", "etc/pinion.yml") }, "report"},
		{"second", func(a at) { a.write("etc/.new", "three"); a.move("etc/.new", "etc/pinion.yml") }, "report"},
		{"from another directory", func(a at) { a.write("new", "four"); a.move("new", "etc/pinion.yml") }, "report"},
	}},
	{"moved to a backup and written anew", nil, []watchStep{
		{"first", func(a at) { a.move("etc/pinion.yml", "etc/pinion.yml~"); a.write("etc/pinion.yml", "two") }, "report"},
		{"the backup", func(a at) { a.write("etc/pinion.yml~", "x") }, "unconcerned"},
		{"second", func(a at) { a.move("etc/pinion.yml", "etc/pinion.yml~"); a.write("etc/pinion.yml", "three") }, "report"},
	}},
	{"removed and made again", nil, []watchStep{
		{"removed", func(a at) { a.remove("etc/pinion.yml") }, "nothing"},
		{"the same", func(a at) { a.write("etc/pinion.yml", "one") }, "nothing"},
		{"removed again", func(a at) { a.remove("etc/pinion.yml") }, "nothing"},
		{"another", func(a at) { a.write("etc/pinion.yml", "two") }, "report"},
		{"both at once", func(a at) { a.remove("etc/pinion.yml"); a.write("etc/pinion.yml", "three") }, "report"},
	}},
	{"no file for a while", nil, []watchStep{
		{"a directory", func(a at) { a.remove("etc/pinion.yml"); a.mkdir("etc/pinion.yml") }, "nothing"},
		{"a pipe", func(a at) {
			a.remove("etc/pinion.yml")
			noError(a.t, syscall.Mkfifo(a.path("etc/pinion.yml"), 0o600))
		}, "nothing"},
		{"a link to nothing", func(a at) { a.relink("nothing", "etc/pinion.yml") }, "nothing"},
		{"a link to itself", func(a at) { a.relink("pinion.yml", "etc/pinion.yml") }, "nothing"},
		{"a file", func(a at) { a.write("new", "two"); a.move("new", "etc/pinion.yml") }, "report"},
	}},
	{"ConfigMap", func(a at) {
		a.mkdir("etc/..1")
		a.write("etc/..1/pinion.yml", "one")
		a.symlink("..1", "etc/..data")
		a.relink("..data/pinion.yml", "etc/pinion.yml")
	}, []watchStep{
		{"update", func(a at) { a.configMap("1", "2", "two") }, "report"},
		{"second update", func(a at) { a.configMap("2", "3", "three") }, "report"},
		{"same content", func(a at) { a.configMap("3", "4", "three") }, "nothing"},
		{"in place", func(a at) { a.write("etc/..4/pinion.yml", "four") }, "report"},
	}},
	{"link to elsewhere", func(a at) {
		a.mkdir("a")
		a.mkdir("b")
		a.write("a/x.yml", "one")
		a.write("b/y.yml", "two")
		a.relink(a.path("a/x.yml"), "etc/pinion.yml")
	}, []watchStep{
		{"content there", func(a at) { a.write("a/x.yml", "three") }, "report"},
		{"link to another file", func(a at) { a.relink("../b/y.yml", "etc/pinion.yml") }, "report"},
		{"the one before", func(a at) { a.write("a/x.yml", "four") }, "unconcerned"},
		{"the one now", func(a at) { a.write("new", "five"); a.move("new", "b/y.yml") }, "report"},
	}},
	{"another directory further up", func(a at) {
		a.mkdir("a/b/c")
		a.write("a/b/c/x.yml", "one")
		a.relink("../a/b/c/x.yml", "etc/pinion.yml")
	}, []watchStep{
		{"in its place", func(a at) {
			a.mkdir("new/b/c")
			a.write("new/b/c/x.yml", "two")
			a.move("a", "old")
			a.move("new", "a")
		}, "report"},
		{"the file before", func(a at) { a.write("old/b/c/x.yml", "x") }, "unconcerned"},
		{"the file now", func(a at) { a.write("a/b/c/x.yml", "three") }, "report"},
	}},
	{"another directory", nil, []watchStep{
		{"in its place", func(a at) {
			a.mkdir("new")
			a.write("new/pinion.yml", "two")
			a.move("etc", "old")
			a.move("new", "etc")
		}, "report"},
		{"a file in the old one", func(a at) { a.write("old/pinion.yml", "x") }, "unconcerned"},
		{"a file in the new one", func(a at) { a.write("etc/pinion.yml", "three") }, "report"},
		{"the old one is removed", func(a at) { a.remove("old") }, "unconcerned"},
		{"moved and removed at once", func(a at) {
			a.move("etc", "old")
			a.remove("old")
			a.mkdir("etc")
			a.write("etc/pinion.yml", "four")
		}, "report"},
		{"removed", func(a at) { a.remove("etc") }, "nothing"},
		{"made again without the file", func(a at) { a.mkdir("etc") }, "nothing"},
		{"with the file", func(a at) { a.write("etc/pinion.yml", "five") }, "report"},
		{"a link in its place", func(a at) {
			a.move("etc", "lib")
			a.symlink("lib", "etc")
			a.write("lib/pinion.yml", "six")
		}, "report"},
		{"behind the link", func(a at) { a.write("lib/pinion.yml", "seven") }, "report"},
	}},
}

func TestWatch(t *testing.T) {
	for _, c := range watchCases {
		t.Run(c.name, func(t *testing.T) {
			a := newPlace(t)
			if c.prepare != nil {
				c.prepare(a)
			}
			r := watch(t, a.dir, a.path("etc/pinion.yml"))
			for _, s := range c.steps {
				s.do(a)
				r.expect(s.done, s.want)
			}
		})
	}
}

// A relative path stays the one that it was at the beginning.
func TestWatchRelativePath(t *testing.T) {
	a := newPlace(t)
	a.mkdir("lib/deep")
	a.symlink("../lib/deep", "etc/link")
	a.write("lib/pinion.yml", "one")
	t.Chdir(a.path("etc"))
	r := watch(t, a.dir, "./link//../pinion.yml") // that is lib/pinion.yml
	t.Chdir("/")
	a.write("etc/pinion.yml", "two")
	r.expect("where the path would lead without the link", "unconcerned")
	a.write("lib/pinion.yml", "two")
	r.expect("where the path leads", "report")
}

// Each change begins the quiet period anew.
func TestWatchWaitsForQuiet(t *testing.T) {
	a := newPlace(t)
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	a.write("etc/pinion.yml", "")
	r.landmark()
	before := len(r.pending())
	a.write("etc/pinion.yml", "two")
	r.landmark()
	asked := r.pending()
	if before == 0 || len(asked) <= before || asked[len(asked)-1].length != 500*time.Millisecond {
		t.Fatalf("%d quiet periods after the first part, then %v", before, asked)
	}
	r.expect("written in two parts", "report")
}

// Another content is reported when it has stayed as it is for two seconds, as far as that can be told; one that is half
// written never is, even if it stands still for a while.
func TestWatchWaitsForTheWriter(t *testing.T) {
	a := newPlace(t)
	file := a.path("etc/pinion.yml")
	written := time.Unix(1_800_000_000, 0)
	dated := func(text string, at time.Time) {
		a.write("etc/pinion.yml", text)
		noError(t, os.Chtimes(file, at, at))
	}
	r := watch(t, a.dir, file)
	var now time.Time
	r.w.now = func() time.Time { return now } // read by the watcher when it looks, which the test waits for
	second := func(step string, want time.Duration) {
		t.Helper()
		r.landmark()
		if !r.look() {
			t.Fatalf("%s: nobody looks", step)
		}
		asked := r.pending()
		if len(asked) != 1 || asked[0].length != want || len(r.w.changed) != 0 {
			t.Fatalf("%s: waits for %v, reports %d; want %v and none", step, asked, len(r.w.changed), want)
		}
	}
	now = written.Add(700 * time.Millisecond)
	dated("half", written)
	second("half a file", 1300*time.Millisecond)
	now = written.Add(2100 * time.Millisecond)
	dated("half and the rest", now)
	second("the rest comes", 2*time.Second)
	dated("half and the rest", now.Add(time.Nanosecond))
	second("written again, the same", 2*time.Second)
	now = now.Add(time.Hour)
	dated("old", written)
	second("a file from elsewhere that is old", 500*time.Millisecond)
	dated("from the future", now.Add(time.Hour))
	second("a file from the future", 2*time.Second)
	r.expect("it stays", "report")
	dated("gone again", now)
	second("another content", 2*time.Second)
	dated("from the future", now)
	r.expect("back to what is loaded", "nothing")
}

// Who does not read gets one report in the end.
func TestWatchNeverBlocks(t *testing.T) {
	a := newPlace(t)
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	for _, text := range []string{"two", "three", "four"} {
		a.write("etc/pinion.yml", text)
		r.landmark()
		for range 2 {
			if !r.look() {
				t.Fatalf("content %q is not looked at twice", text)
			}
		}
	}
	r.expect("after three changes", "report")
	a.write("etc/pinion.yml", "five")
	r.expect("after one more", "report")
}

// A certificate and its key are replaced one after the other: what comes of it is one report, when both have settled. One alone is one,
// too.
func TestWatchSeesPair(t *testing.T) {
	a := newPlace(t)
	a.mkdir("secret/..1")
	a.write("secret/..1/tls.crt", "one")
	a.write("secret/..1/tls.key", "one")
	a.symlink("..1", "secret/..data")
	a.symlink("..data/tls.crt", "secret/tls.crt")
	a.symlink("..data/tls.key", "secret/tls.key")
	r := watch(t, a.dir, a.path("etc/pinion.yml"), a.path("secret/tls.crt"), a.path("secret/tls.key"))
	a.write("secret/..1/tls.crt", "two")
	r.landmark()
	if !r.look() {
		t.Fatal("the certificate is not looked at")
	}
	a.write("secret/..1/tls.key", "two")
	r.expect("the key, before the certificate has settled", "report")
	a.write("secret/..1/tls.crt", "three")
	r.expect("the certificate alone", "report")
	a.write("secret/..1/tls.key", "three")
	r.expect("the key after it", "report")
	a.mkdir("secret/..2")
	a.write("secret/..2/tls.crt", "four")
	a.write("secret/..2/tls.key", "four")
	a.symlink("..2", "secret/..new")
	a.move("secret/..new", "secret/..data")
	r.expect("both by one link", "report")
	a.write("etc/pinion.yml", "two")
	r.expect("the configuration", "report")
}

// Files that stay away are told of once, one after the other; those that come back before are not.
func TestWatchTellsOfFilesThatAreAway(t *testing.T) {
	a := newPlace(t)
	a.write("etc/tls.crt", "one")
	a.write("etc/tls.key", "one")
	r := watch(t, a.dir, a.path("etc/pinion.yml"), a.path("etc/tls.crt"), a.path("etc/tls.key"))
	tells := func(when, path string, cause error) {
		t.Helper()
		if got := r.awayFor(10 * time.Second); path == "" && got != (Change{}) || path != "" && (got.Path != a.path(path) || !errors.Is(got.Away, cause)) {
			t.Errorf("%s: told of %q, %v; want %q", when, got.Path, got.Away, path)
		}
	}
	tells("all are there", "", nil)
	a.remove("etc/tls.key")
	r.expect("removed", "nothing")
	a.write("etc/tls.key", "one")
	r.expect("and made again", "nothing")
	tells("it is back", "", nil)
	a.remove("etc/tls.crt")
	a.remove("etc/tls.key")
	a.mkdir("etc/tls.key")
	r.expect("both away", "nothing")
	tells("both away", "etc/tls.crt", os.ErrNotExist)
	tells("both away, later", "etc/tls.key", errNotRegular)
	tells("both told of", "", nil)
	r.expect("both told of", "unconcerned")
	a.write("etc/tls.crt", "one")
	r.expect("one is back", "nothing")
	a.remove("etc/tls.crt")
	r.expect("and away again", "nothing")
	tells("away again", "etc/tls.crt", os.ErrNotExist)
}

// A change between the reading and the watching counts.
func TestWatchBeginsWithTheLoadedContent(t *testing.T) {
	a := newPlace(t)
	w, err := Files([]File{{a.path("etc/pinion.yml"), sha256.Sum256([]byte("zero"))}})
	noError(t, err)
	defer w.Stop()
	select {
	case _, ok := <-w.changed:
		if !ok {
			t.Error("the watch ended")
		}
	case <-time.After(watchPatience):
		t.Error("no report")
	}
}

// What happens while the watches are being made is not seen by them, so they are made again.
func TestWatchLooksAgain(t *testing.T) {
	a := newPlace(t)
	a.mkdir("lib")
	a.write("lib/pinion.yml", "two")
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	a.touch("etc/pinion.yml")
	r.landmark()
	var once sync.Once
	r.w.trail = func(path string) []string {
		was := trail(path)
		once.Do(func() { a.relink("../lib/pinion.yml", "etc/pinion.yml") })
		return was
	}
	if !r.look() || len(r.w.changed) != 0 || len(r.pending()) == 0 {
		t.Fatalf("reports %d, quiet periods %v; want a second look", len(r.w.changed), r.pending())
	}
	r.expect("at the second look", "report")
	a.write("lib/pinion.yml", "three")
	r.expect("behind the link", "report")
}

// When the kernel loses events, the watcher looks as if one had concerned it.
func TestWatchOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	noError(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	noError(t, err)
	if limit > 1<<18 {
		t.Skipf("the queue holds %d events", limit)
	}
	a := newPlace(t)
	a.write("etc/even", "")
	a.write("etc/odd", "")
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	r.forward.Lock()
	for range limit { // two events each; equal ones would become one
		a.touch("etc/even")
		a.touch("etc/odd")
	}
	a.write("etc/pinion.yml", "two")
	r.forward.Unlock()
	for begin := time.Now(); len(r.pending()) == 0; r.landmark() { // the overflow is told beside the events
		if time.Since(begin) > watchPatience {
			t.Fatal("the overflow is not noticed")
		}
	}
	r.expect("with the event lost", "report")
}

// A watch that is impossible says so; one that becomes impossible ends, and says why.
func TestWatchFails(t *testing.T) {
	long := strings.Repeat("x", 300)
	a := newPlace(t)
	w, err := Files([]File{{Path: a.path(long + "/pinion.yml")}})
	if w != nil || !errors.Is(err, syscall.ENAMETOOLONG) || !strings.HasPrefix(err.Error(), "watching \"/") {
		t.Errorf("got %v", err)
	}
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	a.move("etc", "old")
	a.symlink(long, "etc")
	r.landmark()
	asked := r.pending()
	asked[len(asked)-1].end <- time.Time{}
	select {
	case _, ok := <-r.w.changed:
		if ok || !errors.Is(r.w.err, syscall.ENAMETOOLONG) {
			t.Errorf("got %v, %v", ok, r.w.err)
		}
	case <-time.After(watchPatience):
		t.Error("the watch goes on")
	}
}

// After stop there is nothing left, even if it comes twice.
func TestWatchStops(t *testing.T) {
	inotify := func() (n int) {
		links, err := filepath.Glob("/proc/self/fd/*")
		noError(t, err)
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && strings.Contains(to, "inotify") { // that of the reading is gone again
				n++
			}
		}
		return n
	}
	before := inotify()
	a := newPlace(t)
	r := watch(t, a.dir, a.path("etc/pinion.yml"))
	if n := inotify(); n != before+1 {
		t.Errorf("%d descriptors, want %d: the test does not see them", n, before+1)
	}
	a.write("etc/pinion.yml", "two")
	r.landmark()
	r.look()
	r.look()
	r.w.Stop()
	r.w.Stop()
	var got []bool
	for len(got) == 0 || got[len(got)-1] {
		select {
		case _, ok := <-r.w.changed:
			got = append(got, ok)
		case <-time.After(watchPatience):
			t.Fatal("changed is not closed")
		}
	}
	if !slices.Equal(got, []bool{true, false}) || r.w.err != nil {
		t.Errorf("received %v, error %v; want the report, then the end", got, r.w.err)
	}
	if n := inotify(); n != before {
		t.Errorf("%d descriptors are open, %d before", n, before)
	}
}

func TestTrail(t *testing.T) {
	a := newPlace(t)
	a.symlink("etc", "link")
	a.symlink(a.dir+"/./link/pinion.yml", "absolute")
	a.symlink("loop", "loop")
	for _, c := range []struct{ path, want string }{
		{"etc/pinion.yml", "etc etc/pinion.yml"},
		{"./etc//../etc/pinion.yml", "etc etc etc/pinion.yml"},
		{"link/pinion.yml", "link etc etc/pinion.yml"},
		{"link/../none/pinion.yml", "link etc none none/pinion.yml"},
		{"absolute", "absolute ABOVE link etc etc/pinion.yml"},
		{"loop/x", strings.TrimSpace(strings.Repeat("loop ", maxSymlinks+1))},
	} {
		above := strings.Join(trail(a.dir), " ")
		got := strings.Join(trail(a.dir+"/"+c.path), " ")
		got = strings.TrimPrefix(got, above+" ")
		got = strings.ReplaceAll(got, above+" ", "ABOVE ")
		got = strings.ReplaceAll(got, a.dir+"/", "")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	if got := trail("/"); len(got) != 0 {
		t.Errorf("trail of the root: %v", got)
	}
	w := &Watcher{files: []*watched{{entries: trail("/etc/pinion.yml")}}}
	for name, want := range map[string]bool{"//etc": true, "/etc/pinion.yml": true, "/": false, "/etc/pinion": false} {
		if w.concerns(name) != want {
			t.Errorf("concerns %s: %v", name, !want)
		}
	}
}
