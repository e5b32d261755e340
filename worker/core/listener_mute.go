// A listener that is not watched for a moment, since no descriptor is free.

package core

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// acceptPause is for how long that is.
const acceptPause = 100 * time.Millisecond

var errSpared = errors.New("too many open files, but for those of servers, and those that a reload or an upgrade needs")

// mute stops accepting for a moment: without a descriptor or memory for a connection the listener would only wake the loop in
// vain.
func (ln *listener) mute(err error) {
	l := ln.pool.l
	if ln.loggedAt == 0 || l.now-ln.loggedAt >= int64(logPause) {
		ln.loggedAt = l.now
		l.log(logevent.AcceptPaused, ln.pool.name, err, remedy(err))
	}
	ln.removeFromPoller()
	l.timers.Set(&ln.pause, l.now+int64(acceptPause))
}

// remedy returns what the operator can do about the error.
func remedy(err error) string {
	switch err {
	case unix.ENFILE:
		return "raise the sysctl fs.file-max"
	case unix.ENOSPC:
		return "raise the sysctl fs.epoll.max_user_watches"
	case unix.ENOBUFS, unix.ENOMEM:
		return "give this host more memory"
	}
	return "raise LimitNOFILE= (ulimit -n)"
}
