// Which running Pinion a command is for that does not say so.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/process"
)

// findAnswering stands for the admin socket that is to be found.
const findAnswering = admin.OwnName

// findControl returns the admin socket of the only Pinion that this user has started without naming one, or that of the service.
func findControl() (string, error) {
	found := admin.Find(os.Geteuid())
	err := accepts(defaultControl)
	if err == nil {
		found = append(found, defaultControl)
	}
	switch len(found) {
	case 0:
		if others := admin.FindAll(); os.Geteuid() == 0 && len(others) > 0 { // a stop that root asks for twice must not reach another's
			return "", &notFound{fmt.Errorf("root runs no Pinion here that was started without --control; tell by --control or %s which of the others:\n%s",
				controlVariable, strings.Join(describeAll(others), "\n"))}
		}
		if far := outOfReach(); len(far) > 0 && errors.Is(err, fs.ErrNotExist) {
			return "", &notFound{fmt.Errorf("nobody listens at %q, and no Pinion that this user runs can be asked from here:\n%s", defaultControl, strings.Join(far, "\n"))}
		}
		if waiting := process.Waiting()[os.Geteuid()]; len(waiting) > 0 {
			return "", &notFound{&orphaned{waiting, &noConnection{defaultControl, err}}}
		}
		return "", &notFound{fmt.Errorf("this user runs no Pinion here that was started without --control; and %w", &noConnection{defaultControl, err})}
	case 1:
		return found[0], nil
	}
	return "", &notFound{fmt.Errorf("several Pinions run here; tell which one with --control or %s:\n%s", controlVariable, strings.Join(describeAll(found), "\n"))}
}

// outOfReach returns a line for each Pinion that can be seen from here, and not asked.
func outOfReach() (lines []string) {
	all := admin.OutOfReach()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, fmt.Sprintf("  %s: %s", name, othersHint(all[name])))
	}
	return lines
}

// notFound is the error of a command that was not told whom to ask, and has found nobody, or several.
type notFound struct{ error }

func (n *notFound) Unwrap() error { return n.error }

// orphaned is the error of a command when workers of this user serve on without a master.
type orphaned struct {
	workers []process.Info
	cause   error // why nobody else can be asked
}

func (o *orphaned) Error() string {
	var pids []string
	for _, w := range o.workers {
		pids = append(pids, strconv.Itoa(w.PID))
	}
	slices.Sort(pids)
	return fmt.Sprintf("the workers of a master that was killed serve on (pids %s): start Pinion again as before, and it takes them over", strings.Join(pids, ", "))
}

func (o *orphaned) Unwrap() error { return o.cause }

func accepts(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), describePatience)
	defer cancel()
	c, err := dialOrRead(ctx, path)
	if err == nil {
		c.Close()
	}
	return err
}

// describePatience is how long one of several may take to say what it is.
const describePatience = time.Second

// describeAll returns a line for each admin socket: how it is named, and who answers there.
func describeAll(paths []string) []string {
	lines := make([]string, len(paths))
	done := make(chan struct{}, len(paths))
	for i, path := range paths {
		go func() {
			defer func() { done <- struct{}{} }()
			lines[i] = fmt.Sprintf("  --control %s   %s", path, describeMaster(path))
		}()
	}
	for range paths {
		<-done
	}
	return lines
}

func describeMaster(path string) string {
	m := newAdminSocket(path)
	m.statusTimeout = describePatience
	_, s, err := m.status(context.Background())
	if err != nil {
		return "does not answer"
	}
	file := s.ConfigFile
	if folder, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", s.PID)); err == nil && !filepath.IsAbs(file) {
		file = filepath.Join(folder, file)
	}
	return fmt.Sprintf("pid %d, %s", s.PID, file)
}
