// The file in which the history outlives a master. It lies beside the admin socket, and nothing depends on it.

package web

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/history"
)

// historyFile is where the history is kept; without a path, nowhere.
type historyFile struct {
	path     string
	complain func(text string)
	known    time.Time // when the file was written that was read last, or written here
	useless  bool      // the operator has been told that what was in it is of no use
	failing  bool      // likewise, that it cannot be written
}

// read returns what is in the file; nil: nothing that is new and of any use.
func (f *historyFile) read() *history.History {
	if f.path == "" {
		return nil
	}
	info, err := os.Lstat(f.path)
	if err != nil || info.ModTime().Equal(f.known) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.complain(fmt.Sprintf("reading the history: %v; it begins anew", err))
		}
		return nil
	}
	f.known = info.ModTime()
	h, err := f.parse(info)
	if err != nil && !f.useless { // the master before, of another build, may write it once more
		f.useless = true
		f.complain(fmt.Sprintf("%s: %v; the history begins anew", f.path, err))
	}
	return h
}

func (f *historyFile) parse(info fs.FileInfo) (*history.History, error) {
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // it may be another one by now
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if opened, err := file.Stat(); err != nil || !opened.Mode().IsRegular() {
		return nil, errors.Join(errors.New("not a file"), err)
	}
	return history.Read(file)
}

// text returns what is to be written; nil: nothing is.
func (f *historyFile) text(h *history.History) []byte {
	if f.path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		f.complain(fmt.Sprintf("writing the history: %v", err))
		return nil
	}
	return b.Bytes()
}

// write puts text in the place of what was in the file. Nobody else may read it: it has the names of pools and servers.
func (f *historyFile) write(text []byte) {
	if text == nil {
		return
	}
	err := f.replace(text)
	if err != nil && !f.failing {
		f.complain(fmt.Sprintf("writing the history: %v", err))
	}
	f.failing = err != nil
}

func (f *historyFile) replace(text []byte) error {
	next := fmt.Sprintf("%s.%d", f.path, os.Getpid())
	f.removeUnfinished(time.Now())
	os.Remove(next)
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	info, errStat := file.Stat()
	err = errors.Join(err, errStat, file.Close())
	if err == nil {
		err = os.Rename(next, f.path)
	}
	if err != nil {
		os.Remove(next)
		return err
	}
	f.known = info.ModTime()
	return nil
}

// unfinishedFor is how long no writing takes.
const unfinishedFor = time.Minute

// removeUnfinished removes what masters have left that were killed while they wrote.
func (f *historyFile) removeUnfinished(now time.Time) {
	folder, own := filepath.Split(f.path)
	left, _ := os.ReadDir(cmp.Or(folder, ".")) // what cannot be read is not written to either
	for _, file := range left {
		pid, unfinished := strings.CutPrefix(file.Name(), own+".")
		if _, err := strconv.Atoi(pid); !unfinished || err != nil || !file.Type().IsRegular() {
			continue
		}
		if info, err := file.Info(); err == nil && now.Sub(info.ModTime()) > unfinishedFor {
			os.Remove(filepath.Join(folder, file.Name()))
		}
	}
}
